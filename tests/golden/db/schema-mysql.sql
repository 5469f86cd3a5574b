CREATE TABLE database_instance (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  last_checked timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_attempted_check timestamp NOT NULL DEFAULT '1971-01-01 00:00:00',
  last_check_partial_success tinyint unsigned NOT NULL DEFAULT 0,
  last_seen timestamp NULL DEFAULT NULL,
  uptime int unsigned NOT NULL DEFAULT 0,
  server_id int unsigned NOT NULL DEFAULT 0,
  server_uuid varchar(64) NOT NULL DEFAULT '',
  version varchar(128) NOT NULL DEFAULT '',
  major_version varchar(16) NOT NULL DEFAULT '',
  version_comment varchar(128) NOT NULL DEFAULT '',
  binlog_server tinyint unsigned NOT NULL DEFAULT 0,
  read_only tinyint unsigned NOT NULL DEFAULT 0,
  binlog_format varchar(16) NOT NULL DEFAULT '',
  binlog_row_image varchar(16) NOT NULL DEFAULT '',
  log_bin tinyint unsigned NOT NULL DEFAULT 0,
  log_slave_updates tinyint unsigned NOT NULL DEFAULT 0,
  binary_log_file varchar(128) NOT NULL DEFAULT '',
  binary_log_pos bigint unsigned NOT NULL DEFAULT 0,
  master_host varchar(128) NOT NULL DEFAULT '',
  master_port smallint unsigned NOT NULL DEFAULT 0,
  slave_sql_running tinyint unsigned NOT NULL DEFAULT 0,
  slave_io_running tinyint unsigned NOT NULL DEFAULT 0,
  replication_sql_thread_state tinyint NOT NULL DEFAULT 0,
  replication_io_thread_state tinyint NOT NULL DEFAULT 0,
  has_replication_filters tinyint unsigned NOT NULL DEFAULT 0,
  oracle_gtid tinyint unsigned NOT NULL DEFAULT 0,
  supports_oracle_gtid tinyint unsigned NOT NULL DEFAULT 0,
  master_uuid varchar(64) NOT NULL DEFAULT '',
  ancestry_uuid text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  executed_gtid_set text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  gtid_purged text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  gtid_errant text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  gtid_mode varchar(32) NOT NULL DEFAULT '',
  mariadb_gtid tinyint unsigned NOT NULL DEFAULT 0,
  pseudo_gtid tinyint unsigned NOT NULL DEFAULT 0,
  master_log_file varchar(128) NOT NULL DEFAULT '',
  read_master_log_pos bigint unsigned NOT NULL DEFAULT 0,
  relay_master_log_file varchar(128) NOT NULL DEFAULT '',
  exec_master_log_pos bigint unsigned NOT NULL DEFAULT 0,
  relay_log_file varchar(128) NOT NULL DEFAULT '',
  relay_log_pos bigint unsigned NOT NULL DEFAULT 0,
  last_sql_error text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  last_io_error text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  seconds_behind_master bigint unsigned NULL DEFAULT NULL,
  slave_lag_seconds bigint unsigned NULL DEFAULT NULL,
  sql_delay int unsigned NOT NULL DEFAULT 0,
  allow_tls tinyint unsigned NOT NULL DEFAULT 0,
  num_slave_hosts int unsigned NOT NULL DEFAULT 0,
  slave_hosts text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  cluster_name varchar(128) NOT NULL DEFAULT '',
  suggested_cluster_alias varchar(128) NOT NULL DEFAULT '',
  data_center varchar(32) NOT NULL DEFAULT '',
  region varchar(32) NOT NULL DEFAULT '',
  physical_environment varchar(32) NOT NULL DEFAULT '',
  instance_alias varchar(128) NOT NULL DEFAULT '',
  replication_depth tinyint unsigned NOT NULL DEFAULT 0,
  is_co_master tinyint unsigned NOT NULL DEFAULT 0,
  replication_credentials_available tinyint unsigned NOT NULL DEFAULT 0,
  has_replication_credentials tinyint unsigned NOT NULL DEFAULT 0,
  semi_sync_enforced tinyint unsigned NOT NULL DEFAULT 0,
  semi_sync_available tinyint unsigned NOT NULL DEFAULT 0,
  semi_sync_master_enabled tinyint unsigned NOT NULL DEFAULT 0,
  semi_sync_replica_enabled tinyint unsigned NOT NULL DEFAULT 0,
  semi_sync_master_timeout bigint unsigned NOT NULL DEFAULT 0,
  semi_sync_master_wait_for_slave_count int unsigned NOT NULL DEFAULT 0,
  semi_sync_master_clients int unsigned NOT NULL DEFAULT 0,
  semi_sync_master_status tinyint unsigned NOT NULL DEFAULT 0,
  semi_sync_replica_status tinyint unsigned NOT NULL DEFAULT 0,
  last_discovery_latency bigint NOT NULL DEFAULT 0,
  replication_group_name varchar(64) NOT NULL DEFAULT '',
  replication_group_is_single_primary_mode tinyint unsigned NOT NULL DEFAULT 1,
  replication_group_member_state varchar(16) NOT NULL DEFAULT '',
  replication_group_member_role varchar(16) NOT NULL DEFAULT '',
  replication_group_members text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  replication_group_primary_host varchar(128) NOT NULL DEFAULT '',
  replication_group_primary_port smallint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX cluster_name_idx ON database_instance (cluster_name);
CREATE INDEX last_checked_idx ON database_instance (last_checked);
CREATE INDEX last_seen_idx ON database_instance (last_seen);
CREATE INDEX master_host_port_idx ON database_instance (master_host,master_port);
CREATE INDEX server_uuid_idx ON database_instance (server_uuid);
CREATE INDEX suggested_cluster_alias_idx ON database_instance (suggested_cluster_alias);
CREATE TABLE database_instance_downtime (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  downtime_active tinyint NULL DEFAULT NULL,
  begin_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_timestamp timestamp NULL DEFAULT NULL,
  owner varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  reason text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX end_timestamp_idx ON database_instance_downtime (end_timestamp);
CREATE TABLE database_instance_maintenance (
  database_instance_maintenance_id bigint unsigned NOT NULL AUTO_INCREMENT,
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  maintenance_active tinyint NULL DEFAULT NULL,
  begin_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_timestamp timestamp NULL DEFAULT NULL,
  owner varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  reason text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  processing_node_hostname varchar(128) NOT NULL DEFAULT '',
  processing_node_token varchar(128) NOT NULL DEFAULT '',
  explicitly_bounded tinyint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (database_instance_maintenance_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE UNIQUE INDEX maintenance_active_host_port_idx ON database_instance_maintenance (maintenance_active,hostname,port);
CREATE INDEX active_begin_idx ON database_instance_maintenance (maintenance_active,begin_timestamp);
CREATE INDEX active_end_idx ON database_instance_maintenance (maintenance_active,end_timestamp);
CREATE TABLE candidate_database_instance (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  last_suggested timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  priority tinyint NOT NULL DEFAULT 1,
  promotion_rule enum('must', 'prefer', 'neutral', 'prefer_not', 'must_not') NOT NULL DEFAULT 'neutral',
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX last_suggested_idx ON candidate_database_instance (last_suggested);
CREATE TABLE database_instance_tags (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  tag_name varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  tag_value varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  last_updated timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname,port,tag_name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX tag_name_idx ON database_instance_tags (tag_name);
CREATE TABLE database_instance_pool (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  pool varchar(128) NOT NULL DEFAULT '',
  registered_at timestamp NOT NULL DEFAULT '1971-01-01 00:00:00',
  PRIMARY KEY (hostname,port,pool)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX pool_idx ON database_instance_pool (pool);
CREATE TABLE cluster_alias (
  cluster_name varchar(128) NOT NULL DEFAULT '',
  alias varchar(128) NOT NULL DEFAULT '',
  last_registered timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE UNIQUE INDEX alias_idx ON cluster_alias (alias);
CREATE INDEX last_registered_idx ON cluster_alias (last_registered);
CREATE TABLE cluster_alias_override (
  cluster_name varchar(128) NOT NULL DEFAULT '',
  alias varchar(128) NOT NULL DEFAULT '',
  PRIMARY KEY (cluster_name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE cluster_domain_name (
  cluster_name varchar(128) NOT NULL DEFAULT '',
  domain_name varchar(128) NOT NULL DEFAULT '',
  last_registered timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX domain_name_idx ON cluster_domain_name (domain_name);
CREATE INDEX last_registered_idx ON cluster_domain_name (last_registered);
CREATE TABLE cluster_injected_pseudo_gtid (
  cluster_name varchar(128) NOT NULL DEFAULT '',
  time_injected timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE host_attributes (
  hostname varchar(128) NOT NULL DEFAULT '',
  attribute_name varchar(128) NOT NULL DEFAULT '',
  attribute_value varchar(128) NOT NULL DEFAULT '',
  submit_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  expire_timestamp timestamp NULL DEFAULT NULL,
  PRIMARY KEY (hostname,attribute_name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX attribute_value_idx ON host_attributes (attribute_value);
CREATE INDEX attribute_name_idx ON host_attributes (attribute_name);
CREATE INDEX submit_timestamp_idx ON host_attributes (submit_timestamp);
CREATE INDEX expire_timestamp_idx ON host_attributes (expire_timestamp);
CREATE TABLE kv_store (
  store_key varchar(255) NOT NULL DEFAULT '',
  store_value text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  last_updated timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (store_key)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE global_recovery_disable (
  disable_recovery tinyint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (disable_recovery)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE access_token (
  access_token_id bigint unsigned NOT NULL AUTO_INCREMENT,
  public_token varchar(128) NOT NULL DEFAULT '',
  secret_token varchar(128) NOT NULL DEFAULT '',
  generated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  generated_by varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  is_acquired tinyint unsigned NOT NULL DEFAULT 0,
  is_reentrant tinyint unsigned NOT NULL DEFAULT 0,
  acquired_at timestamp NOT NULL DEFAULT '1971-01-01 00:00:00',
  PRIMARY KEY (access_token_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE UNIQUE INDEX public_token_idx ON access_token (public_token);
CREATE INDEX generated_at_idx ON access_token (generated_at);
CREATE TABLE hostname_resolve (
  hostname varchar(128) NOT NULL DEFAULT '',
  resolved_hostname varchar(128) NOT NULL DEFAULT '',
  resolved_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX resolved_timestamp_idx ON hostname_resolve (resolved_timestamp);
CREATE TABLE hostname_resolve_history (
  resolved_hostname varchar(128) NOT NULL DEFAULT '',
  hostname varchar(128) NOT NULL DEFAULT '',
  resolved_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (resolved_hostname)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX hostname_idx ON hostname_resolve_history (hostname);
CREATE TABLE hostname_unresolve (
  hostname varchar(128) NOT NULL DEFAULT '',
  unresolved_hostname varchar(128) NOT NULL DEFAULT '',
  last_registered timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX unresolved_hostname_idx ON hostname_unresolve (unresolved_hostname);
CREATE TABLE hostname_unresolve_history (
  unresolved_hostname varchar(128) NOT NULL DEFAULT '',
  hostname varchar(128) NOT NULL DEFAULT '',
  last_registered timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (unresolved_hostname)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX hostname_idx ON hostname_unresolve_history (hostname);
CREATE TABLE hostname_ips (
  hostname varchar(128) NOT NULL DEFAULT '',
  ipv4 varchar(128) NOT NULL DEFAULT '',
  ipv6 varchar(128) NOT NULL DEFAULT '',
  last_updated timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE topology_failure_detection (
  detection_id bigint unsigned NOT NULL AUTO_INCREMENT,
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  in_active_period tinyint unsigned NOT NULL DEFAULT 0,
  start_active_period timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_active_period_unixtime int unsigned NOT NULL DEFAULT 0,
  processing_node_hostname varchar(128) NOT NULL DEFAULT '',
  processcing_node_token varchar(128) NOT NULL DEFAULT '',
  analysis varchar(128) NOT NULL DEFAULT '',
  cluster_name varchar(128) NOT NULL DEFAULT '',
  cluster_alias varchar(128) NOT NULL DEFAULT '',
  count_affected_slaves int unsigned NOT NULL DEFAULT 0,
  slave_hosts text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  is_actionable tinyint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (detection_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX host_port_active_idx ON topology_failure_detection (hostname,port,is_actionable);
CREATE INDEX active_start_idx ON topology_failure_detection (in_active_period,start_active_period);
CREATE TABLE failure_detection_witness (
  detection_id bigint unsigned NOT NULL DEFAULT 0,
  witness varchar(300) NOT NULL DEFAULT '',
  is_replica tinyint unsigned NOT NULL DEFAULT 0,
  seen varchar(64) NOT NULL DEFAULT '',
  cause varchar(128) NOT NULL DEFAULT '',
  errno_mysql bigint NOT NULL DEFAULT 0,
  attempts int unsigned NOT NULL DEFAULT 0,
  reader varchar(300) NOT NULL DEFAULT '',
  seen_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (detection_id,witness)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE failure_vote (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  verdict varchar(32) NOT NULL DEFAULT '',
  analysis varchar(128) NOT NULL DEFAULT '',
  description text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  seen text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  failed int unsigned NOT NULL DEFAULT 0,
  answered int unsigned NOT NULL DEFAULT 0,
  needed int unsigned NOT NULL DEFAULT 0,
  decided_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE topology_recovery (
  recovery_id bigint unsigned NOT NULL AUTO_INCREMENT,
  uid varchar(128) NOT NULL DEFAULT '',
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  in_active_period tinyint unsigned NOT NULL DEFAULT 0,
  start_active_period timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_active_period_unixtime int unsigned NULL DEFAULT NULL,
  end_recovery timestamp NULL DEFAULT NULL,
  processing_node_hostname varchar(128) NOT NULL DEFAULT '',
  processcing_node_token varchar(128) NOT NULL DEFAULT '',
  successor_hostname varchar(128) NULL DEFAULT NULL,
  successor_port smallint unsigned NULL DEFAULT NULL,
  successor_alias varchar(128) NULL DEFAULT NULL,
  is_successful tinyint unsigned NOT NULL DEFAULT 0,
  analysis varchar(128) NOT NULL DEFAULT '',
  cluster_name varchar(128) NOT NULL DEFAULT '',
  cluster_alias varchar(128) NOT NULL DEFAULT '',
  count_affected_slaves int unsigned NOT NULL DEFAULT 0,
  slave_hosts text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  participating_instances text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  lost_slaves text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  all_errors text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  acknowledged tinyint unsigned NOT NULL DEFAULT 0,
  acknowledged_at timestamp NULL DEFAULT NULL,
  acknowledged_by varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  acknowledge_comment text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  last_detection_id bigint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (recovery_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX host_port_active_idx ON topology_recovery (hostname,port);
CREATE INDEX uid_idx ON topology_recovery (uid);
CREATE INDEX last_detection_idx ON topology_recovery (last_detection_id);
CREATE INDEX acknowledged_idx ON topology_recovery (acknowledged,acknowledged_at);
CREATE INDEX end_recovery_idx ON topology_recovery (end_recovery);
CREATE INDEX cluster_active_idx ON topology_recovery (cluster_name,in_active_period);
CREATE INDEX start_active_period_idx ON topology_recovery (start_active_period);
CREATE INDEX active_start_idx ON topology_recovery (in_active_period,start_active_period);
CREATE TABLE topology_recovery_steps (
  recovery_step_id bigint unsigned NOT NULL AUTO_INCREMENT,
  recovery_uid varchar(128) NOT NULL DEFAULT '',
  audit_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  message text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  PRIMARY KEY (recovery_step_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX recovery_uid_idx ON topology_recovery_steps (recovery_uid);
CREATE TABLE blocked_topology_recovery (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  cluster_name varchar(128) NOT NULL DEFAULT '',
  analysis varchar(128) NOT NULL DEFAULT '',
  last_blocked_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  blocking_recovery_id bigint unsigned NULL DEFAULT NULL,
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX cluster_blocked_idx ON blocked_topology_recovery (cluster_name,last_blocked_timestamp);
CREATE INDEX last_blocked_idx ON blocked_topology_recovery (last_blocked_timestamp);
CREATE TABLE recovery_machine (
  uid varchar(128) NOT NULL DEFAULT '',
  recovery_id bigint unsigned NOT NULL DEFAULT 0,
  cluster_id varchar(64) NOT NULL DEFAULT '',
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  state varchar(32) NOT NULL DEFAULT '',
  began bigint NOT NULL DEFAULT 0,
  since bigint NOT NULL DEFAULT 0,
  deadline bigint NOT NULL DEFAULT 0,
  turns int unsigned NOT NULL DEFAULT 0,
  why text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  successor_hostname varchar(128) NOT NULL DEFAULT '',
  successor_port smallint unsigned NOT NULL DEFAULT 0,
  promoted_at text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  promoted tinyint unsigned NOT NULL DEFAULT 0,
  returned tinyint unsigned NOT NULL DEFAULT 0,
  dropped text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  suspects text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  forced tinyint unsigned NOT NULL DEFAULT 0,
  input_parts int unsigned NOT NULL DEFAULT 0,
  step_count int unsigned NOT NULL DEFAULT 0,
  loss text NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  PRIMARY KEY (uid)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE recovery_input (
  recovery_uid varchar(128) NOT NULL DEFAULT '',
  part int unsigned NOT NULL DEFAULT 0,
  content text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  written_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (recovery_uid,part)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE recovery_hook (
  recovery_uid varchar(128) NOT NULL DEFAULT '',
  hook_list varchar(64) NOT NULL DEFAULT '',
  number int unsigned NOT NULL DEFAULT 0,
  mark tinyint unsigned NOT NULL DEFAULT 0,
  marked_at timestamp NULL DEFAULT NULL,
  attempts int unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (recovery_uid,hook_list,number)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE active_node (
  anchor tinyint unsigned NOT NULL DEFAULT 0,
  hostname varchar(128) NOT NULL DEFAULT '',
  token varchar(128) NOT NULL DEFAULT '',
  last_seen_active timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  first_seen_active timestamp NOT NULL DEFAULT '1971-01-01 00:00:00',
  PRIMARY KEY (anchor)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE node_health (
  hostname varchar(128) NOT NULL DEFAULT '',
  token varchar(128) NOT NULL DEFAULT '',
  first_seen_active timestamp NOT NULL DEFAULT '1971-01-01 00:00:00',
  last_seen_active timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  extra_info varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  command varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  app_version varchar(64) NOT NULL DEFAULT '',
  db_backend varchar(255) NOT NULL DEFAULT '',
  incrementing_indicator bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname,token)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX last_seen_active_idx ON node_health (last_seen_active);
CREATE TABLE node_health_history (
  history_id bigint unsigned NOT NULL AUTO_INCREMENT,
  hostname varchar(128) NOT NULL DEFAULT '',
  token varchar(128) NOT NULL DEFAULT '',
  first_seen_active timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  extra_info varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  command varchar(128) CHARACTER SET utf8 NOT NULL DEFAULT '',
  app_version varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (history_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE UNIQUE INDEX hostname_token_idx ON node_health_history (hostname,token);
CREATE INDEX first_seen_active_idx ON node_health_history (first_seen_active);
CREATE TABLE audit (
  audit_id bigint unsigned NOT NULL AUTO_INCREMENT,
  audit_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  audit_type varchar(128) NOT NULL DEFAULT '',
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  cluster_name varchar(128) NOT NULL DEFAULT '',
  message text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  PRIMARY KEY (audit_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX audit_timestamp_idx ON audit (audit_timestamp);
CREATE INDEX host_port_timestamp_idx ON audit (hostname,port,audit_timestamp);
CREATE TABLE database_instance_last_analysis (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  analysis_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  analysis varchar(128) NOT NULL DEFAULT '',
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX analysis_timestamp_idx ON database_instance_last_analysis (analysis_timestamp);
CREATE TABLE database_instance_analysis_changelog (
  changelog_id bigint unsigned NOT NULL AUTO_INCREMENT,
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  analysis_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  analysis varchar(128) NOT NULL DEFAULT '',
  PRIMARY KEY (changelog_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX analysis_timestamp_idx ON database_instance_analysis_changelog (analysis_timestamp);
CREATE INDEX host_port_timestamp_idx ON database_instance_analysis_changelog (hostname,port,analysis_timestamp);
CREATE TABLE database_instance_stale_binlog_coordinates (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  binary_log_file varchar(128) NOT NULL DEFAULT '',
  binary_log_pos bigint unsigned NOT NULL DEFAULT 0,
  first_seen timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX first_seen_idx ON database_instance_stale_binlog_coordinates (first_seen);
CREATE TABLE database_instance_coordinates_history (
  history_id bigint unsigned NOT NULL AUTO_INCREMENT,
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  last_seen timestamp NOT NULL DEFAULT '1971-01-01 00:00:00',
  recorded_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  binary_log_file varchar(128) NOT NULL DEFAULT '',
  binary_log_pos bigint unsigned NOT NULL DEFAULT 0,
  relay_log_file varchar(128) NOT NULL DEFAULT '',
  relay_log_pos bigint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (history_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX host_port_recorded_idx ON database_instance_coordinates_history (hostname,port,recorded_timestamp);
CREATE INDEX recorded_timestamp_idx ON database_instance_coordinates_history (recorded_timestamp);
CREATE TABLE master_position_equivalence (
  equivalence_id bigint unsigned NOT NULL AUTO_INCREMENT,
  master1_hostname varchar(128) NOT NULL DEFAULT '',
  master1_port smallint unsigned NOT NULL DEFAULT 0,
  master1_binary_log_file varchar(128) NOT NULL DEFAULT '',
  master1_binary_log_pos bigint unsigned NOT NULL DEFAULT 0,
  master2_hostname varchar(128) NOT NULL DEFAULT '',
  master2_port smallint unsigned NOT NULL DEFAULT 0,
  master2_binary_log_file varchar(128) NOT NULL DEFAULT '',
  master2_binary_log_pos bigint unsigned NOT NULL DEFAULT 0,
  last_suggested timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (equivalence_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE UNIQUE INDEX equivalence_idx ON master_position_equivalence (master1_hostname,master1_port,master1_binary_log_file,master1_binary_log_pos,master2_hostname,master2_port);
CREATE INDEX master2_idx ON master_position_equivalence (master2_hostname,master2_port,master2_binary_log_file,master2_binary_log_pos);
CREATE INDEX last_suggested_idx ON master_position_equivalence (last_suggested);
CREATE TABLE database_instance_topology_history (
  snapshot_unix_timestamp int unsigned NOT NULL DEFAULT 0,
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  master_host varchar(128) NOT NULL DEFAULT '',
  master_port smallint unsigned NOT NULL DEFAULT 0,
  cluster_name varchar(255) NOT NULL DEFAULT '',
  version varchar(128) NOT NULL DEFAULT '',
  PRIMARY KEY (snapshot_unix_timestamp,hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX snapshot_cluster_idx ON database_instance_topology_history (snapshot_unix_timestamp,cluster_name);
CREATE TABLE database_instance_tls (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  required tinyint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname,port)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE host_agent (
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint unsigned NOT NULL DEFAULT 0,
  token varchar(128) NOT NULL DEFAULT '',
  last_submitted timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_checked timestamp NULL DEFAULT NULL,
  last_seen timestamp NULL DEFAULT NULL,
  mysql_port smallint unsigned NULL DEFAULT NULL,
  count_mysql_snapshots smallint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX token_idx ON host_agent (token);
CREATE INDEX last_submitted_idx ON host_agent (last_submitted);
CREATE INDEX last_checked_idx ON host_agent (last_checked);
CREATE INDEX last_seen_idx ON host_agent (last_seen);
CREATE TABLE agent_seed (
  agent_seed_id bigint unsigned NOT NULL AUTO_INCREMENT,
  target_hostname varchar(128) NOT NULL DEFAULT '',
  source_hostname varchar(128) NOT NULL DEFAULT '',
  start_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_timestamp timestamp NOT NULL DEFAULT '1971-01-01 00:00:00',
  is_complete tinyint unsigned NOT NULL DEFAULT 0,
  is_successful tinyint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (agent_seed_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX target_complete_idx ON agent_seed (target_hostname,is_complete);
CREATE INDEX source_complete_idx ON agent_seed (source_hostname,is_complete);
CREATE INDEX start_timestamp_idx ON agent_seed (start_timestamp);
CREATE INDEX complete_start_idx ON agent_seed (is_complete,start_timestamp);
CREATE INDEX successful_start_idx ON agent_seed (is_successful,start_timestamp);
CREATE TABLE agent_seed_state (
  agent_seed_state_id bigint unsigned NOT NULL AUTO_INCREMENT,
  agent_seed_id bigint unsigned NOT NULL DEFAULT 0,
  state_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  state_action varchar(127) NOT NULL DEFAULT '',
  error_message varchar(255) NOT NULL DEFAULT '',
  PRIMARY KEY (agent_seed_state_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX seed_timestamp_idx ON agent_seed_state (agent_seed_id,state_timestamp);
CREATE TABLE orchestrator_db_deployments (
  deployed_version varchar(128) NOT NULL DEFAULT '',
  deployed_timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (deployed_version)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE orchestrator_meta (
  name varchar(64) NOT NULL DEFAULT '',
  value text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE applied_command (
  uid varchar(128) NOT NULL DEFAULT '',
  log_index bigint unsigned NOT NULL DEFAULT 0,
  applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  result int unsigned NOT NULL DEFAULT 0,
  result_id bigint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (uid)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX applied_at_idx ON applied_command (applied_at);
CREATE TABLE cluster_record (
  cluster_id varchar(64) NOT NULL DEFAULT '',
  cluster_name varchar(128) NOT NULL DEFAULT '',
  alias varchar(128) NOT NULL DEFAULT '',
  domain_name varchar(128) NOT NULL DEFAULT '',
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE INDEX cluster_name_idx ON cluster_record (cluster_name);
CREATE TABLE node_record (
  name varchar(255) NOT NULL DEFAULT '',
  dir_id varchar(64) NOT NULL DEFAULT '',
  raft_id bigint unsigned NOT NULL DEFAULT 0,
  http_uri varchar(255) NOT NULL DEFAULT '',
  feature_level int unsigned NOT NULL DEFAULT 0,
  version varchar(64) NOT NULL DEFAULT '',
  updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
CREATE TABLE replicated_setting (
  name varchar(64) NOT NULL DEFAULT '',
  value text CHARACTER SET utf8 NOT NULL /*!80013 DEFAULT ('') *//*M!100201 DEFAULT '' */,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii;
