CREATE TABLE database_instance (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  last_checked timestamp not null default '',
  last_seen timestamp NULL DEFAULT NULL,
  server_id int NOT NULL,
  version varchar(128) NOT NULL,
  binlog_format varchar(16) NOT NULL,
  log_bin tinyint NOT NULL,
  log_slave_updates tinyint NOT NULL,
  binary_log_file varchar(128) NOT NULL,
  binary_log_pos bigint NOT NULL,
  master_host varchar(128) NOT NULL,
  master_port smallint NOT NULL,
  slave_sql_running tinyint NOT NULL,
  slave_io_running tinyint NOT NULL,
  master_log_file varchar(128) NOT NULL,
  read_master_log_pos bigint NOT NULL,
  relay_master_log_file varchar(128) NOT NULL,
  exec_master_log_pos bigint NOT NULL,
  seconds_behind_master bigint DEFAULT NULL,
  slave_lag_seconds bigint DEFAULT NULL,
  num_slave_hosts int NOT NULL,
  slave_hosts text NOT NULL,
  cluster_name varchar(128) NOT NULL,
  their_own_column varchar(16) DEFAULT 'x',
  PRIMARY KEY (hostname,port)
);
CREATE INDEX cluster_name_idx_database_instance ON database_instance (cluster_name);
ALTER TABLE database_instance ADD COLUMN read_only TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN last_sql_error TEXT not null default '';
ALTER TABLE database_instance ADD COLUMN last_io_error TEXT not null default '';
ALTER TABLE database_instance ADD COLUMN oracle_gtid TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN mariadb_gtid TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN relay_log_file varchar(128) NOT NULL DEFAULT '';
ALTER TABLE database_instance ADD COLUMN relay_log_pos bigint NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN pseudo_gtid TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN replication_depth TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN has_replication_filters TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN data_center varchar(32) NOT NULL DEFAULT '';
ALTER TABLE database_instance ADD COLUMN physical_environment varchar(32) NOT NULL DEFAULT '';
ALTER TABLE database_instance ADD COLUMN replication_credentials_available TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN sql_delay INT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN is_co_master TINYINT NOT NULL DEFAULT 0;
ALTER TABLE database_instance ADD COLUMN suggested_cluster_alias varchar(128) NOT NULL DEFAULT '';
CREATE TABLE database_instance_maintenance (
  database_instance_maintenance_id integer PRIMARY KEY,
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  maintenance_active tinyint DEFAULT NULL,
  begin_timestamp timestamp NULL DEFAULT NULL,
  end_timestamp timestamp NULL DEFAULT NULL,
  owner varchar(128) NOT NULL,
  reason text NOT NULL
);
CREATE UNIQUE INDEX maintenance_uidx_database_instance_maintenance ON database_instance_maintenance (maintenance_active, hostname, port);
CREATE TABLE database_instance_downtime (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  downtime_active tinyint DEFAULT NULL,
  begin_timestamp timestamp DEFAULT '',
  end_timestamp timestamp NULL DEFAULT NULL,
  owner varchar(128) NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (hostname, port)
);
CREATE TABLE candidate_database_instance (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  last_suggested timestamp not null default '',
  PRIMARY KEY (hostname, port)
);
CREATE TABLE database_instance_tags (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  tag_name varchar(128) NOT NULL,
  tag_value varchar(128) NOT NULL,
  last_updated timestamp not null default '',
  PRIMARY KEY (hostname, port, tag_name)
);
CREATE TABLE database_instance_stale_binlog_coordinates (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  binary_log_file varchar(128) NOT NULL,
  binary_log_pos bigint NOT NULL,
  first_seen timestamp NOT NULL DEFAULT '',
  PRIMARY KEY (hostname, port)
);
CREATE TABLE cluster_alias (
  cluster_name varchar(128) NOT NULL,
  alias varchar(128) NOT NULL,
  PRIMARY KEY (cluster_name)
);
CREATE TABLE node_health (
  hostname varchar(128) NOT NULL,
  token varchar(128) NOT NULL,
  last_seen_active timestamp not null default '',
  PRIMARY KEY (hostname)
);
CREATE TABLE topology_recovery (
  recovery_id integer PRIMARY KEY,
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  in_active_period tinyint NOT NULL DEFAULT 0,
  start_active_period timestamp not null default '',
  end_active_period_unixtime int,
  end_recovery timestamp NULL DEFAULT NULL,
  processing_node_hostname varchar(128) NOT NULL,
  processcing_node_token varchar(128) NOT NULL,
  successor_hostname varchar(128) DEFAULT NULL,
  successor_port smallint DEFAULT NULL
);
CREATE UNIQUE INDEX in_active_end_period_uidx_topology_recovery ON topology_recovery (hostname, port, in_active_period, end_active_period_unixtime);
CREATE TABLE raft_log (log_index integer PRIMARY KEY, term bigint NOT NULL, log_type int NOT NULL, data blob NOT NULL);
CREATE TABLE orchestrator_db_deployments (
  deployed_version varchar(128) NOT NULL,
  deployed_timestamp timestamp NOT NULL,
  PRIMARY KEY (deployed_version)
);
INSERT INTO orchestrator_db_deployments VALUES ('3.2.6', '2024-01-01 00:00:00');
INSERT INTO database_instance (hostname, port, last_checked, last_seen, server_id, version, binlog_format, log_bin, log_slave_updates, binary_log_file, binary_log_pos, master_host, master_port, slave_sql_running, slave_io_running, master_log_file, read_master_log_pos, relay_master_log_file, exec_master_log_pos, num_slave_hosts, slave_hosts, cluster_name)
  VALUES ('db1', 3306, '2026-01-05 10:00:00', '2026-01-05T10:00:00Z', 101, '8.0.36', 'ROW', 1, 1, 'binlog.000012', 4711, '', 0, 0, 0, '', 0, '', 0, 1, '[{"Hostname":"db2","Port":3306}]', 'db1:3306');
INSERT INTO database_instance (hostname, port, last_checked, last_seen, server_id, version, binlog_format, log_bin, log_slave_updates, binary_log_file, binary_log_pos, master_host, master_port, slave_sql_running, slave_io_running, master_log_file, read_master_log_pos, relay_master_log_file, exec_master_log_pos, seconds_behind_master, slave_lag_seconds, num_slave_hosts, slave_hosts, cluster_name, replication_depth, last_io_error)
  VALUES ('db2', 3306, '', NULL, '102', '8.0.36', '', '1', NULL + 1 IS NULL, '', '', 'db1', '3306', 1, 1, 'binlog.000012', 4711, 'binlog.000012', 4711, '', 7, 0, '[{\"Hostname\":\"x\",\"Port\":1}]', 'db1:3306', 1, '"error connecting"');
INSERT INTO database_instance_downtime VALUES ('db2', 3306, 1, '', NULL, 'op', 'no end');
INSERT INTO database_instance_maintenance (hostname, port, maintenance_active, owner, reason) VALUES ('db1', 3306, 1, 'op', 'no end');
INSERT INTO candidate_database_instance VALUES ('db1', 3306, '2026-01-05 10:00:00');
INSERT INTO database_instance_tags VALUES ('db1', 3306, 'role', 'writer', '');
INSERT INTO cluster_alias VALUES ('db1:3306', 'shop');
INSERT INTO node_health VALUES ('node1', 't1', '2026-01-05 10:00:00');
INSERT INTO topology_recovery (recovery_id, hostname, port, in_active_period, start_active_period, end_active_period_unixtime, processing_node_hostname, processcing_node_token) VALUES (7, 'db0', 3306, 0, '2025-12-01 00:00:00', 1764547200, 'node1', 't0');
INSERT INTO raft_log VALUES (1, 1, 0, x'00ff');
