CREATE TABLE database_instance (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  last_checked text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_attempted_check text NOT NULL DEFAULT '1971-01-01 00:00:00',
  last_check_partial_success integer NOT NULL DEFAULT 0,
  last_seen text NULL DEFAULT NULL,
  uptime integer NOT NULL DEFAULT 0,
  server_id integer NOT NULL DEFAULT 0,
  server_uuid text NOT NULL DEFAULT '',
  version text NOT NULL DEFAULT '',
  major_version text NOT NULL DEFAULT '',
  version_comment text NOT NULL DEFAULT '',
  binlog_server integer NOT NULL DEFAULT 0,
  read_only integer NOT NULL DEFAULT 0,
  binlog_format text NOT NULL DEFAULT '',
  binlog_row_image text NOT NULL DEFAULT '',
  log_bin integer NOT NULL DEFAULT 0,
  log_slave_updates integer NOT NULL DEFAULT 0,
  binary_log_file text NOT NULL DEFAULT '',
  binary_log_pos integer NOT NULL DEFAULT 0,
  master_host text NOT NULL DEFAULT '',
  master_port integer NOT NULL DEFAULT 0,
  slave_sql_running integer NOT NULL DEFAULT 0,
  slave_io_running integer NOT NULL DEFAULT 0,
  replication_sql_thread_state integer NOT NULL DEFAULT 0,
  replication_io_thread_state integer NOT NULL DEFAULT 0,
  has_replication_filters integer NOT NULL DEFAULT 0,
  oracle_gtid integer NOT NULL DEFAULT 0,
  supports_oracle_gtid integer NOT NULL DEFAULT 0,
  master_uuid text NOT NULL DEFAULT '',
  ancestry_uuid text NOT NULL DEFAULT '',
  executed_gtid_set text NOT NULL DEFAULT '',
  gtid_purged text NOT NULL DEFAULT '',
  gtid_errant text NOT NULL DEFAULT '',
  gtid_mode text NOT NULL DEFAULT '',
  mariadb_gtid integer NOT NULL DEFAULT 0,
  pseudo_gtid integer NOT NULL DEFAULT 0,
  master_log_file text NOT NULL DEFAULT '',
  read_master_log_pos integer NOT NULL DEFAULT 0,
  relay_master_log_file text NOT NULL DEFAULT '',
  exec_master_log_pos integer NOT NULL DEFAULT 0,
  relay_log_file text NOT NULL DEFAULT '',
  relay_log_pos integer NOT NULL DEFAULT 0,
  last_sql_error text NOT NULL DEFAULT '',
  last_io_error text NOT NULL DEFAULT '',
  seconds_behind_master integer NULL DEFAULT NULL,
  slave_lag_seconds integer NULL DEFAULT NULL,
  sql_delay integer NOT NULL DEFAULT 0,
  allow_tls integer NOT NULL DEFAULT 0,
  num_slave_hosts integer NOT NULL DEFAULT 0,
  slave_hosts text NOT NULL DEFAULT '',
  cluster_name text NOT NULL DEFAULT '',
  suggested_cluster_alias text NOT NULL DEFAULT '',
  data_center text NOT NULL DEFAULT '',
  region text NOT NULL DEFAULT '',
  physical_environment text NOT NULL DEFAULT '',
  instance_alias text NOT NULL DEFAULT '',
  replication_depth integer NOT NULL DEFAULT 0,
  is_co_master integer NOT NULL DEFAULT 0,
  replication_credentials_available integer NOT NULL DEFAULT 0,
  has_replication_credentials integer NOT NULL DEFAULT 0,
  semi_sync_enforced integer NOT NULL DEFAULT 0,
  semi_sync_available integer NOT NULL DEFAULT 0,
  semi_sync_master_enabled integer NOT NULL DEFAULT 0,
  semi_sync_replica_enabled integer NOT NULL DEFAULT 0,
  semi_sync_master_timeout integer NOT NULL DEFAULT 0,
  semi_sync_master_wait_for_slave_count integer NOT NULL DEFAULT 0,
  semi_sync_master_clients integer NOT NULL DEFAULT 0,
  semi_sync_master_status integer NOT NULL DEFAULT 0,
  semi_sync_replica_status integer NOT NULL DEFAULT 0,
  last_discovery_latency integer NOT NULL DEFAULT 0,
  replication_group_name text NOT NULL DEFAULT '',
  replication_group_is_single_primary_mode integer NOT NULL DEFAULT 1,
  replication_group_member_state text NOT NULL DEFAULT '',
  replication_group_member_role text NOT NULL DEFAULT '',
  replication_group_members text NOT NULL DEFAULT '',
  replication_group_primary_host text NOT NULL DEFAULT '',
  replication_group_primary_port integer NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname,port)
);
CREATE INDEX cluster_name_database_instance ON database_instance (cluster_name);
CREATE INDEX last_checked_database_instance ON database_instance (last_checked);
CREATE INDEX last_seen_database_instance ON database_instance (last_seen);
CREATE INDEX master_host_port_database_instance ON database_instance (master_host,master_port);
CREATE INDEX server_uuid_database_instance ON database_instance (server_uuid);
CREATE INDEX suggested_cluster_alias_database_instance ON database_instance (suggested_cluster_alias);
CREATE TABLE database_instance_downtime (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  downtime_active integer NULL DEFAULT NULL,
  begin_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_timestamp text NULL DEFAULT NULL,
  owner text NOT NULL DEFAULT '',
  reason text NOT NULL DEFAULT '',
  PRIMARY KEY (hostname,port)
);
CREATE INDEX end_timestamp_database_instance_downtime ON database_instance_downtime (end_timestamp);
CREATE TABLE database_instance_maintenance (
  database_instance_maintenance_id integer PRIMARY KEY,
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  maintenance_active integer NULL DEFAULT NULL,
  begin_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_timestamp text NULL DEFAULT NULL,
  owner text NOT NULL DEFAULT '',
  reason text NOT NULL DEFAULT '',
  processing_node_hostname text NOT NULL DEFAULT '',
  processing_node_token text NOT NULL DEFAULT '',
  explicitly_bounded integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX maintenance_active_host_port_database_instance_maintenance ON database_instance_maintenance (maintenance_active,hostname,port);
CREATE INDEX active_begin_database_instance_maintenance ON database_instance_maintenance (maintenance_active,begin_timestamp);
CREATE INDEX active_end_database_instance_maintenance ON database_instance_maintenance (maintenance_active,end_timestamp);
CREATE TABLE candidate_database_instance (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  last_suggested text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  priority integer NOT NULL DEFAULT 1,
  promotion_rule text NOT NULL DEFAULT 'neutral' CHECK (promotion_rule IN ('must', 'prefer', 'neutral', 'prefer_not', 'must_not')),
  PRIMARY KEY (hostname,port)
);
CREATE INDEX last_suggested_candidate_database_instance ON candidate_database_instance (last_suggested);
CREATE TABLE database_instance_tags (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  tag_name text NOT NULL DEFAULT '',
  tag_value text NOT NULL DEFAULT '',
  last_updated text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname,port,tag_name)
);
CREATE INDEX tag_name_database_instance_tags ON database_instance_tags (tag_name);
CREATE TABLE database_instance_pool (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  pool text NOT NULL DEFAULT '',
  registered_at text NOT NULL DEFAULT '1971-01-01 00:00:00',
  PRIMARY KEY (hostname,port,pool)
);
CREATE INDEX pool_database_instance_pool ON database_instance_pool (pool);
CREATE TABLE cluster_alias (
  cluster_name text NOT NULL DEFAULT '',
  alias text NOT NULL DEFAULT '',
  last_registered text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_name)
);
CREATE UNIQUE INDEX alias_cluster_alias ON cluster_alias (alias);
CREATE INDEX last_registered_cluster_alias ON cluster_alias (last_registered);
CREATE TABLE cluster_alias_override (
  cluster_name text NOT NULL DEFAULT '',
  alias text NOT NULL DEFAULT '',
  PRIMARY KEY (cluster_name)
);
CREATE TABLE cluster_domain_name (
  cluster_name text NOT NULL DEFAULT '',
  domain_name text NOT NULL DEFAULT '',
  last_registered text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_name)
);
CREATE INDEX domain_name_cluster_domain_name ON cluster_domain_name (domain_name);
CREATE INDEX last_registered_cluster_domain_name ON cluster_domain_name (last_registered);
CREATE TABLE cluster_injected_pseudo_gtid (
  cluster_name text NOT NULL DEFAULT '',
  time_injected text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_name)
);
CREATE TABLE host_attributes (
  hostname text NOT NULL DEFAULT '',
  attribute_name text NOT NULL DEFAULT '',
  attribute_value text NOT NULL DEFAULT '',
  submit_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  expire_timestamp text NULL DEFAULT NULL,
  PRIMARY KEY (hostname,attribute_name)
);
CREATE INDEX attribute_value_host_attributes ON host_attributes (attribute_value);
CREATE INDEX attribute_name_host_attributes ON host_attributes (attribute_name);
CREATE INDEX submit_timestamp_host_attributes ON host_attributes (submit_timestamp);
CREATE INDEX expire_timestamp_host_attributes ON host_attributes (expire_timestamp);
CREATE TABLE kv_store (
  store_key text NOT NULL DEFAULT '',
  store_value text NOT NULL DEFAULT '',
  last_updated text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (store_key)
);
CREATE TABLE global_recovery_disable (
  disable_recovery integer NOT NULL DEFAULT 0,
  PRIMARY KEY (disable_recovery)
);
CREATE TABLE access_token (
  access_token_id integer PRIMARY KEY,
  public_token text NOT NULL DEFAULT '',
  secret_token text NOT NULL DEFAULT '',
  generated_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  generated_by text NOT NULL DEFAULT '',
  is_acquired integer NOT NULL DEFAULT 0,
  is_reentrant integer NOT NULL DEFAULT 0,
  acquired_at text NOT NULL DEFAULT '1971-01-01 00:00:00'
);
CREATE UNIQUE INDEX public_token_access_token ON access_token (public_token);
CREATE INDEX generated_at_access_token ON access_token (generated_at);
CREATE TABLE hostname_resolve (
  hostname text NOT NULL DEFAULT '',
  resolved_hostname text NOT NULL DEFAULT '',
  resolved_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname)
);
CREATE INDEX resolved_timestamp_hostname_resolve ON hostname_resolve (resolved_timestamp);
CREATE TABLE hostname_resolve_history (
  resolved_hostname text NOT NULL DEFAULT '',
  hostname text NOT NULL DEFAULT '',
  resolved_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (resolved_hostname)
);
CREATE INDEX hostname_hostname_resolve_history ON hostname_resolve_history (hostname);
CREATE TABLE hostname_unresolve (
  hostname text NOT NULL DEFAULT '',
  unresolved_hostname text NOT NULL DEFAULT '',
  last_registered text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname)
);
CREATE INDEX unresolved_hostname_hostname_unresolve ON hostname_unresolve (unresolved_hostname);
CREATE TABLE hostname_unresolve_history (
  unresolved_hostname text NOT NULL DEFAULT '',
  hostname text NOT NULL DEFAULT '',
  last_registered text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (unresolved_hostname)
);
CREATE INDEX hostname_hostname_unresolve_history ON hostname_unresolve_history (hostname);
CREATE TABLE hostname_ips (
  hostname text NOT NULL DEFAULT '',
  ipv4 text NOT NULL DEFAULT '',
  ipv6 text NOT NULL DEFAULT '',
  last_updated text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname)
);
CREATE TABLE topology_failure_detection (
  detection_id integer PRIMARY KEY,
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  in_active_period integer NOT NULL DEFAULT 0,
  start_active_period text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_active_period_unixtime integer NOT NULL DEFAULT 0,
  processing_node_hostname text NOT NULL DEFAULT '',
  processcing_node_token text NOT NULL DEFAULT '',
  analysis text NOT NULL DEFAULT '',
  cluster_name text NOT NULL DEFAULT '',
  cluster_alias text NOT NULL DEFAULT '',
  count_affected_slaves integer NOT NULL DEFAULT 0,
  slave_hosts text NOT NULL DEFAULT '',
  is_actionable integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX host_port_active_topology_failure_detection ON topology_failure_detection (hostname,port,is_actionable) WHERE in_active_period = 1;
CREATE INDEX active_start_topology_failure_detection ON topology_failure_detection (in_active_period,start_active_period);
CREATE TABLE failure_detection_witness (
  detection_id integer NOT NULL DEFAULT 0,
  witness text NOT NULL DEFAULT '',
  is_replica integer NOT NULL DEFAULT 0,
  seen text NOT NULL DEFAULT '',
  cause text NOT NULL DEFAULT '',
  errno_mysql integer NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  reader text NOT NULL DEFAULT '',
  seen_at text NULL DEFAULT NULL,
  PRIMARY KEY (detection_id,witness)
);
CREATE TABLE failure_vote (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  verdict text NOT NULL DEFAULT '',
  analysis text NOT NULL DEFAULT '',
  description text NOT NULL DEFAULT '',
  seen text NOT NULL DEFAULT '',
  failed integer NOT NULL DEFAULT 0,
  answered integer NOT NULL DEFAULT 0,
  needed integer NOT NULL DEFAULT 0,
  decided_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname,port)
);
CREATE TABLE topology_recovery (
  recovery_id integer PRIMARY KEY,
  uid text NOT NULL DEFAULT '',
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  in_active_period integer NOT NULL DEFAULT 0,
  start_active_period text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_active_period_unixtime integer NULL DEFAULT NULL,
  end_recovery text NULL DEFAULT NULL,
  processing_node_hostname text NOT NULL DEFAULT '',
  processcing_node_token text NOT NULL DEFAULT '',
  successor_hostname text NULL DEFAULT NULL,
  successor_port integer NULL DEFAULT NULL,
  successor_alias text NULL DEFAULT NULL,
  is_successful integer NOT NULL DEFAULT 0,
  analysis text NOT NULL DEFAULT '',
  cluster_name text NOT NULL DEFAULT '',
  cluster_alias text NOT NULL DEFAULT '',
  count_affected_slaves integer NOT NULL DEFAULT 0,
  slave_hosts text NOT NULL DEFAULT '',
  participating_instances text NOT NULL DEFAULT '',
  lost_slaves text NOT NULL DEFAULT '',
  all_errors text NOT NULL DEFAULT '',
  acknowledged integer NOT NULL DEFAULT 0,
  acknowledged_at text NULL DEFAULT NULL,
  acknowledged_by text NOT NULL DEFAULT '',
  acknowledge_comment text NOT NULL DEFAULT '',
  last_detection_id integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX host_port_active_topology_recovery ON topology_recovery (hostname,port) WHERE in_active_period = 1;
CREATE INDEX uid_topology_recovery ON topology_recovery (uid);
CREATE INDEX last_detection_topology_recovery ON topology_recovery (last_detection_id);
CREATE INDEX acknowledged_topology_recovery ON topology_recovery (acknowledged,acknowledged_at);
CREATE INDEX end_recovery_topology_recovery ON topology_recovery (end_recovery);
CREATE INDEX cluster_active_topology_recovery ON topology_recovery (cluster_name,in_active_period);
CREATE INDEX start_active_period_topology_recovery ON topology_recovery (start_active_period);
CREATE INDEX active_start_topology_recovery ON topology_recovery (in_active_period,start_active_period);
CREATE TABLE topology_recovery_steps (
  recovery_step_id integer PRIMARY KEY,
  recovery_uid text NOT NULL DEFAULT '',
  audit_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  message text NOT NULL DEFAULT ''
);
CREATE INDEX recovery_uid_topology_recovery_steps ON topology_recovery_steps (recovery_uid);
CREATE TABLE blocked_topology_recovery (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  cluster_name text NOT NULL DEFAULT '',
  analysis text NOT NULL DEFAULT '',
  last_blocked_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  blocking_recovery_id integer NULL DEFAULT NULL,
  PRIMARY KEY (hostname,port)
);
CREATE INDEX cluster_blocked_blocked_topology_recovery ON blocked_topology_recovery (cluster_name,last_blocked_timestamp);
CREATE INDEX last_blocked_blocked_topology_recovery ON blocked_topology_recovery (last_blocked_timestamp);
CREATE TABLE recovery_machine (
  uid text NOT NULL DEFAULT '',
  recovery_id integer NOT NULL DEFAULT 0,
  cluster_id text NOT NULL DEFAULT '',
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT '',
  began integer NOT NULL DEFAULT 0,
  since integer NOT NULL DEFAULT 0,
  deadline integer NOT NULL DEFAULT 0,
  turns integer NOT NULL DEFAULT 0,
  why text NOT NULL DEFAULT '',
  successor_hostname text NOT NULL DEFAULT '',
  successor_port integer NOT NULL DEFAULT 0,
  promoted_at text NOT NULL DEFAULT '',
  promoted integer NOT NULL DEFAULT 0,
  returned integer NOT NULL DEFAULT 0,
  dropped text NOT NULL DEFAULT '',
  suspects text NOT NULL DEFAULT '',
  forced integer NOT NULL DEFAULT 0,
  input_parts integer NOT NULL DEFAULT 0,
  step_count integer NOT NULL DEFAULT 0,
  loss text NOT NULL DEFAULT '',
  PRIMARY KEY (uid)
);
CREATE TABLE recovery_input (
  recovery_uid text NOT NULL DEFAULT '',
  part integer NOT NULL DEFAULT 0,
  content text NOT NULL DEFAULT '',
  written_at text NULL DEFAULT NULL,
  PRIMARY KEY (recovery_uid,part)
);
CREATE TABLE recovery_hook (
  recovery_uid text NOT NULL DEFAULT '',
  hook_list text NOT NULL DEFAULT '',
  number integer NOT NULL DEFAULT 0,
  mark integer NOT NULL DEFAULT 0,
  marked_at text NULL DEFAULT NULL,
  attempts integer NOT NULL DEFAULT 0,
  PRIMARY KEY (recovery_uid,hook_list,number)
);
CREATE TABLE active_node (
  anchor integer NOT NULL DEFAULT 0,
  hostname text NOT NULL DEFAULT '',
  token text NOT NULL DEFAULT '',
  last_seen_active text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  first_seen_active text NOT NULL DEFAULT '1971-01-01 00:00:00',
  PRIMARY KEY (anchor)
);
CREATE TABLE node_health (
  hostname text NOT NULL DEFAULT '',
  token text NOT NULL DEFAULT '',
  first_seen_active text NOT NULL DEFAULT '1971-01-01 00:00:00',
  last_seen_active text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  extra_info text NOT NULL DEFAULT '',
  command text NOT NULL DEFAULT '',
  app_version text NOT NULL DEFAULT '',
  db_backend text NOT NULL DEFAULT '',
  incrementing_indicator integer NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname,token)
);
CREATE INDEX last_seen_active_node_health ON node_health (last_seen_active);
CREATE TABLE node_health_history (
  history_id integer PRIMARY KEY,
  hostname text NOT NULL DEFAULT '',
  token text NOT NULL DEFAULT '',
  first_seen_active text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  extra_info text NOT NULL DEFAULT '',
  command text NOT NULL DEFAULT '',
  app_version text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX hostname_token_node_health_history ON node_health_history (hostname,token);
CREATE INDEX first_seen_active_node_health_history ON node_health_history (first_seen_active);
CREATE TABLE audit (
  audit_id integer PRIMARY KEY,
  audit_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  audit_type text NOT NULL DEFAULT '',
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  cluster_name text NOT NULL DEFAULT '',
  message text NOT NULL DEFAULT ''
);
CREATE INDEX audit_timestamp_audit ON audit (audit_timestamp);
CREATE INDEX host_port_timestamp_audit ON audit (hostname,port,audit_timestamp);
CREATE TABLE database_instance_last_analysis (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  analysis_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  analysis text NOT NULL DEFAULT '',
  PRIMARY KEY (hostname,port)
);
CREATE INDEX analysis_timestamp_database_instance_last_analysis ON database_instance_last_analysis (analysis_timestamp);
CREATE TABLE database_instance_analysis_changelog (
  changelog_id integer PRIMARY KEY,
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  analysis_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  analysis text NOT NULL DEFAULT ''
);
CREATE INDEX analysis_timestamp_database_instance_analysis_changelog ON database_instance_analysis_changelog (analysis_timestamp);
CREATE INDEX host_port_timestamp_database_instance_analysis_changelog ON database_instance_analysis_changelog (hostname,port,analysis_timestamp);
CREATE TABLE database_instance_stale_binlog_coordinates (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  binary_log_file text NOT NULL DEFAULT '',
  binary_log_pos integer NOT NULL DEFAULT 0,
  first_seen text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (hostname,port)
);
CREATE INDEX first_seen_database_instance_stale_binlog_coordinates ON database_instance_stale_binlog_coordinates (first_seen);
CREATE TABLE database_instance_coordinates_history (
  history_id integer PRIMARY KEY,
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  last_seen text NOT NULL DEFAULT '1971-01-01 00:00:00',
  recorded_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  binary_log_file text NOT NULL DEFAULT '',
  binary_log_pos integer NOT NULL DEFAULT 0,
  relay_log_file text NOT NULL DEFAULT '',
  relay_log_pos integer NOT NULL DEFAULT 0
);
CREATE INDEX host_port_recorded_database_instance_coordinates_history ON database_instance_coordinates_history (hostname,port,recorded_timestamp);
CREATE INDEX recorded_timestamp_database_instance_coordinates_history ON database_instance_coordinates_history (recorded_timestamp);
CREATE TABLE master_position_equivalence (
  equivalence_id integer PRIMARY KEY,
  master1_hostname text NOT NULL DEFAULT '',
  master1_port integer NOT NULL DEFAULT 0,
  master1_binary_log_file text NOT NULL DEFAULT '',
  master1_binary_log_pos integer NOT NULL DEFAULT 0,
  master2_hostname text NOT NULL DEFAULT '',
  master2_port integer NOT NULL DEFAULT 0,
  master2_binary_log_file text NOT NULL DEFAULT '',
  master2_binary_log_pos integer NOT NULL DEFAULT 0,
  last_suggested text NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX equivalence_master_position_equivalence ON master_position_equivalence (master1_hostname,master1_port,master1_binary_log_file,master1_binary_log_pos,master2_hostname,master2_port);
CREATE INDEX master2_master_position_equivalence ON master_position_equivalence (master2_hostname,master2_port,master2_binary_log_file,master2_binary_log_pos);
CREATE INDEX last_suggested_master_position_equivalence ON master_position_equivalence (last_suggested);
CREATE TABLE database_instance_topology_history (
  snapshot_unix_timestamp integer NOT NULL DEFAULT 0,
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  master_host text NOT NULL DEFAULT '',
  master_port integer NOT NULL DEFAULT 0,
  cluster_name text NOT NULL DEFAULT '',
  version text NOT NULL DEFAULT '',
  PRIMARY KEY (snapshot_unix_timestamp,hostname,port)
);
CREATE INDEX snapshot_cluster_database_instance_topology_history ON database_instance_topology_history (snapshot_unix_timestamp,cluster_name);
CREATE TABLE database_instance_tls (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  required integer NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname,port)
);
CREATE TABLE host_agent (
  hostname text NOT NULL DEFAULT '',
  port integer NOT NULL DEFAULT 0,
  token text NOT NULL DEFAULT '',
  last_submitted text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_checked text NULL DEFAULT NULL,
  last_seen text NULL DEFAULT NULL,
  mysql_port integer NULL DEFAULT NULL,
  count_mysql_snapshots integer NOT NULL DEFAULT 0,
  PRIMARY KEY (hostname)
);
CREATE INDEX token_host_agent ON host_agent (token);
CREATE INDEX last_submitted_host_agent ON host_agent (last_submitted);
CREATE INDEX last_checked_host_agent ON host_agent (last_checked);
CREATE INDEX last_seen_host_agent ON host_agent (last_seen);
CREATE TABLE agent_seed (
  agent_seed_id integer PRIMARY KEY,
  target_hostname text NOT NULL DEFAULT '',
  source_hostname text NOT NULL DEFAULT '',
  start_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  end_timestamp text NOT NULL DEFAULT '1971-01-01 00:00:00',
  is_complete integer NOT NULL DEFAULT 0,
  is_successful integer NOT NULL DEFAULT 0
);
CREATE INDEX target_complete_agent_seed ON agent_seed (target_hostname,is_complete);
CREATE INDEX source_complete_agent_seed ON agent_seed (source_hostname,is_complete);
CREATE INDEX start_timestamp_agent_seed ON agent_seed (start_timestamp);
CREATE INDEX complete_start_agent_seed ON agent_seed (is_complete,start_timestamp);
CREATE INDEX successful_start_agent_seed ON agent_seed (is_successful,start_timestamp);
CREATE TABLE agent_seed_state (
  agent_seed_state_id integer PRIMARY KEY,
  agent_seed_id integer NOT NULL DEFAULT 0,
  state_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  state_action text NOT NULL DEFAULT '',
  error_message text NOT NULL DEFAULT ''
);
CREATE INDEX seed_timestamp_agent_seed_state ON agent_seed_state (agent_seed_id,state_timestamp);
CREATE TABLE orchestrator_db_deployments (
  deployed_version text NOT NULL DEFAULT '',
  deployed_timestamp text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (deployed_version)
);
CREATE TABLE orchestrator_meta (
  name text NOT NULL DEFAULT '',
  value text NOT NULL DEFAULT '',
  PRIMARY KEY (name)
);
CREATE TABLE applied_command (
  uid text NOT NULL DEFAULT '',
  log_index integer NOT NULL DEFAULT 0,
  applied_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  result integer NOT NULL DEFAULT 0,
  result_id integer NOT NULL DEFAULT 0,
  PRIMARY KEY (uid)
);
CREATE INDEX applied_at_applied_command ON applied_command (applied_at);
CREATE TABLE cluster_record (
  cluster_id text NOT NULL DEFAULT '',
  cluster_name text NOT NULL DEFAULT '',
  alias text NOT NULL DEFAULT '',
  domain_name text NOT NULL DEFAULT '',
  created_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (cluster_id)
);
CREATE INDEX cluster_name_cluster_record ON cluster_record (cluster_name);
CREATE TABLE node_record (
  name text NOT NULL DEFAULT '',
  dir_id text NOT NULL DEFAULT '',
  raft_id integer NOT NULL DEFAULT 0,
  http_uri text NOT NULL DEFAULT '',
  feature_level integer NOT NULL DEFAULT 0,
  version text NOT NULL DEFAULT '',
  updated_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (name)
);
CREATE TABLE replicated_setting (
  name text NOT NULL DEFAULT '',
  value text NOT NULL DEFAULT '',
  PRIMARY KEY (name)
);
