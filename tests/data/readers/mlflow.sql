CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
CREATE TABLE "latest_metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT, 
	step BIGINT NOT NULL, 
	is_nan BOOLEAN NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('eval_loss',4.96,1795400780276,'78605c31795348fab2a1351809e3781d',100,0);
INSERT INTO "metrics" VALUES('eval_loss',4.71,1795400780278,'78605c31795348fab2a1351809e3781d',200,0);
INSERT INTO "metrics" VALUES('eval_loss',4.21,1795400780280,'78605c31795348fab2a1351809e3781d',400,0);
INSERT INTO "metrics" VALUES('eval_loss',4.37,1795400780494,'9125858c15ba443e98b2e848cd6cd91f',100,0);
INSERT INTO "metrics" VALUES('eval_loss',4.12,1795400780496,'9125858c15ba443e98b2e848cd6cd91f',200,0);
INSERT INTO "metrics" VALUES('eval_loss',3.62,1795400780498,'9125858c15ba443e98b2e848cd6cd91f',400,0);
INSERT INTO "latest_metrics" VALUES('eval_loss',4.21,1795400780274,400,0,'78605c31795348fab2a1351809e3781d');
INSERT INTO "latest_metrics" VALUES('num_input_tokens_seen',100000000.0,1795400780298,400,0,'78605c31795348fab2a1351809e3781d');
INSERT INTO "latest_metrics" VALUES('eval_loss',3.62,1795400780498,400,0,'9125858c15ba443e98b2e848cd6cd91f');
INSERT INTO "latest_metrics" VALUES('num_input_tokens_seen',400000000.0,1795400780522,400,0,'9125858c15ba443e98b2e848cd6cd91f');
INSERT INTO "params" VALUES('n_params','5000000','78605c31795348fab2a1351809e3781d');
INSERT INTO "params" VALUES('lr','0.0003','78605c31795348fab2a1351809e3781d');
INSERT INTO "params" VALUES('n_params','20000000','9125858c15ba443e98b2e848cd6cd91f');
INSERT INTO "params" VALUES('lr','0.0003','9125858c15ba443e98b2e848cd6cd91f');
INSERT INTO "params" VALUES('n_params','7000000','95261b8231074c34b5ba62e449b3d0ae');
INSERT INTO "runs" VALUES('78605c31795348fab2a1351809e3781d','small','UNKNOWN','','','root','FINISHED',1795400780133,1795400780322,'','active','/home/user/ladder/mlruns/1/78605c31795348fab2a1351809e3781d/artifacts',1,NULL);
INSERT INTO "runs" VALUES('9125858c15ba443e98b2e848cd6cd91f','large','UNKNOWN','','','root','FINISHED',1795400780346,1795400780546,'','active','/home/user/ladder/mlruns/1/9125858c15ba443e98b2e848cd6cd91f/artifacts',1,NULL);
INSERT INTO "runs" VALUES('95261b8231074c34b5ba62e449b3d0ae','crashed','UNKNOWN','','','root','FINISHED',1795400780570,1795400780627,'','active','/home/user/ladder/mlruns/1/95261b8231074c34b5ba62e449b3d0ae/artifacts',1,NULL);
