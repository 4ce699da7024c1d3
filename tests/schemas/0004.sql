-- agent.status.changed and others, by 0004_credentials_sealing_audit, at 1795899172403
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tidings','0001_first_tables','2026-11-28 20:52:51.277866+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'tidings','0002_filters_rotation_schemas_replays_changes','2026-11-28 20:52:51.281501+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'tidings','0003_lanes_retention','2026-11-28 20:52:51.283271+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'tidings','0004_credentials_sealing_audit','2026-11-28 20:52:51.285465+00:00');
CREATE TABLE announcements (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        event_type TEXT NOT NULL,
        subject TEXT NOT NULL,
        payload TEXT NOT NULL,
        create_time BIGINT NOT NULL
    );
CREATE TABLE attempts (
        notification_id TEXT NOT NULL REFERENCES notifications (id),
        attempt_number BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        duration BIGINT NOT NULL,
        http_status BIGINT,
        response_headers TEXT NOT NULL,
        response_body BYTEA NOT NULL,
        response_truncated BIGINT NOT NULL,
        error TEXT NOT NULL,
        remote_address TEXT NOT NULL,
        signing_key_ids TEXT NOT NULL,
        PRIMARY KEY (notification_id, attempt_number)
    );
INSERT INTO "attempts" VALUES('01a223ee-a251-7401-a3af-452ffebf9075',1,'GONE',1795899171413,6,410,'[["Content-Length","0"],["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'the receiver answered 410: it wants nothing more','127.0.0.1:38673','["01a223ee-a24a-701a-884f-58043cd504f7"]');
INSERT INTO "attempts" VALUES('01a223ee-a251-7402-9499-d932c2565323',1,'SUCCEEDED',1795899171415,4,204,'[["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:38673','["01a223ee-a24c-71f7-a5be-1e10a18fe535"]');
INSERT INTO "attempts" VALUES('01a223ee-a251-7400-ac03-80d918b55166',1,'REJECTED',1795899171416,4,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:38673','["01a223ee-a244-73e5-a886-d104fd28ea3c"]');
INSERT INTO "attempts" VALUES('01a223ee-a251-73fe-8ec6-bab483297491',1,'SUCCEEDED',1795899171416,4,204,'[["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:38673','["01a223ee-a23c-7354-a8a1-1a280020d7c1"]');
INSERT INTO "attempts" VALUES('01a223ee-a251-73ff-97bc-870472a3829a',1,'REJECTED',1795899171416,4,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:38673','["01a223ee-a241-77eb-8237-5edf9d7a4ce7"]');
INSERT INTO "attempts" VALUES('01a223ee-a251-7400-ac03-80d918b55166',2,'REJECTED',1795899171532,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:38673','["01a223ee-a244-73e5-a886-d104fd28ea3c"]');
INSERT INTO "attempts" VALUES('01a223ee-a2dd-7788-9c3c-0efbdff4f28b',1,'REJECTED',1795899171553,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:38673','["01a223ee-a244-73e5-a886-d104fd28ea3c"]');
INSERT INTO "attempts" VALUES('01a223ee-a2dd-7786-87c8-16670deb52bb',1,'SUCCEEDED',1795899171553,2,204,'[["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:38673','["01a223ee-a23c-7354-a8a1-1a280020d7c1"]');
INSERT INTO "attempts" VALUES('01a223ee-a2dd-7787-9765-5f6a7d364eba',1,'REJECTED',1795899171553,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:38673','["01a223ee-a241-77eb-8237-5edf9d7a4ce7"]');
INSERT INTO "attempts" VALUES('01a223ee-a2dd-7788-9c3c-0efbdff4f28b',2,'REJECTED',1795899171661,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:38673','["01a223ee-a244-73e5-a886-d104fd28ea3c"]');
INSERT INTO "attempts" VALUES('01a223ee-a371-762c-9a01-cb299388459e',1,'SUCCEEDED',1795899171701,2,204,'[["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:38673','["01a223ee-a367-7425-8edf-2101c5502bc5"]');
INSERT INTO "attempts" VALUES('01a223ee-a381-702e-a6fc-8946b592b90a',1,'SUCCEEDED',1795899171717,2,204,'[["Date","Sat, 28 Nov 2026 20:52:51 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:38673','["01a223ee-a36b-7322-b21e-760bb71912e9","01a223ee-a23c-7354-a8a1-1a280020d7c1"]');
CREATE TABLE audit_log (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        time BIGINT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        workspace TEXT NOT NULL,
        resource TEXT NOT NULL,
        request_id TEXT NOT NULL,
        call_id TEXT NOT NULL,
        before TEXT,
        after TEXT
    );
INSERT INTO "audit_log" VALUES(1,1795899171381,'development','CreateEventType','','eventTypes/agent.status.changed','','01a223ee-a235-749c-be45-c09771f2ea03',NULL,'{"name":"eventTypes/agent.status.changed","display_name":"agent.status.changed","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:52:51.381Z"}');
INSERT INTO "audit_log" VALUES(2,1795899171388,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/ok','','01a223ee-a23c-7352-a11e-728250035a3c',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223ee-a23c-7353-9291-0d0cdad3ca93","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a23c-7354-a8a1-1a280020d7c1","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.388Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.388Z"}');
INSERT INTO "audit_log" VALUES(3,1795899171393,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/failing','','01a223ee-a241-77e9-9604-b6e8ed2dad6b',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/failing","uid":"01a223ee-a241-77ea-9b74-ef021324408d","display_name":"Subscription failing","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a241-77eb-8237-5edf9d7a4ce7","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.393Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.393Z"}');
INSERT INTO "audit_log" VALUES(4,1795899171396,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/exhausted','','01a223ee-a243-75fb-9990-463aa1827514',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/exhausted","uid":"01a223ee-a244-73e4-ba95-d6b664a017c1","display_name":"Subscription exhausted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a244-73e5-a886-d104fd28ea3c","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.396Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.396Z"}');
INSERT INTO "audit_log" VALUES(5,1795899171401,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','01a223ee-a249-7680-ab7b-11fdb7ad2723',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223ee-a24a-7019-ac1b-c2632903b244","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a24a-701a-884f-58043cd504f7","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.401Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.401Z"}');
INSERT INTO "audit_log" VALUES(6,1795899171404,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223ee-a24c-71f5-84dd-6fb4861da825',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223ee-a24c-71f6-8dbc-7d74dd139faa","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a24c-71f7-a5be-1e10a18fe535","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.404Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.404Z"}');
INSERT INTO "audit_log" VALUES(7,1795899171419,'server','SuspendSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223ee-a24a-7019-ac1b-c2632903b244","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a24a-701a-884f-58043cd504f7","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.401Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.401Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223ee-a24a-7019-ac1b-c2632903b244","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"SUSPENDED","state_reason":"GONE","signing_keys":[{"key_id":"01a223ee-a24a-701a-884f-58043cd504f7","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.401Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.401Z"}');
INSERT INTO "audit_log" VALUES(8,1795899171542,'development','DeleteSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223ee-a2d6-7622-8378-292bb7c0449a','{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223ee-a24c-71f6-8dbc-7d74dd139faa","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a24c-71f7-a5be-1e10a18fe535","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.404Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.404Z"}',NULL);
INSERT INTO "audit_log" VALUES(9,1795899171687,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/listener','','01a223ee-a363-765a-8bec-af59fff69537',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/listener","uid":"01a223ee-a367-7424-aa0a-47d81550e434","display_name":"Subscription listener","url":"http://127.0.0.1:8080/[redacted]","event_types":["tidings.*"],"attribute_filters":{},"filter":"event.type.startsWith(''tidings.'')","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":{"header":"X-API-Key","value":"[redacted]"},"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a367-7425-8edf-2101c5502bc5","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.687Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.687Z"}');
INSERT INTO "audit_log" VALUES(10,1795899171690,'development','RotateSigningKey','acme/main','organizations/acme/workspaces/main/subscriptions/ok','rotation-1','01a223ee-a36a-7047-998d-e5e2a94532bf','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223ee-a23c-7353-9291-0d0cdad3ca93","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a23c-7354-a8a1-1a280020d7c1","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.388Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.388Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223ee-a23c-7353-9291-0d0cdad3ca93","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a36b-7322-b21e-760bb71912e9","scheme":"STANDARD_WEBHOOKS","hint":"sR4=","create_time":"2026-11-28T20:52:51.690Z","expire_time":null},{"key_id":"01a223ee-a23c-7354-a8a1-1a280020d7c1","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.388Z","expire_time":"2026-11-29T20:52:51.690Z"}],"create_time":"2026-11-28T20:52:51.388Z"}');
INSERT INTO "audit_log" VALUES(11,1795899171698,'development','CancelNotification','acme/main','organizations/acme/workspaces/main/notifications/01a223ee-a2dd-7787-9765-5f6a7d364eba','','01a223ee-a372-75af-b2f8-a9c4613b1485','{"name":"organizations/acme/workspaces/main/notifications/01a223ee-a2dd-7787-9765-5f6a7d364eba","event":"organizations/acme/workspaces/main/events/01a223ee-a2da-71b8-a45b-7fb5de2b6d50","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"PENDING","attempt_count":1,"next_attempt_time":"2026-11-28T21:44:29.969Z","replay":null,"create_time":"2026-11-28T20:52:51.549Z","complete_time":null,"failure_reason":null}','{"name":"organizations/acme/workspaces/main/notifications/01a223ee-a2dd-7787-9765-5f6a7d364eba","event":"organizations/acme/workspaces/main/events/01a223ee-a2da-71b8-a45b-7fb5de2b6d50","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"CANCELLED","attempt_count":1,"next_attempt_time":null,"replay":null,"create_time":"2026-11-28T20:52:51.549Z","complete_time":"2026-11-28T20:52:51.698Z","failure_reason":null}');
INSERT INTO "audit_log" VALUES(12,1795899171703,'development','CreateReplay','acme/main','organizations/acme/workspaces/main/subscriptions/ok/replays/01a223ee-a377-7510-abca-a7e2210e9c7a','','01a223ee-a377-750f-9533-237068f61be2',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok/replays/01a223ee-a377-7510-abca-a7e2210e9c7a","start_time":"1970-01-01T00:00:00.000Z","end_time":"2026-11-28T20:52:51.703Z","states":[],"include_unmatched":false,"max_rate_per_second":0.01,"state":"RUNNING","examined_count":0,"created_count":0,"create_time":"2026-11-28T20:52:51.703Z","complete_time":null}');
INSERT INTO "audit_log" VALUES(13,1795899171711,'development','CreateEventType','','eventTypes/hanging.one','','01a223ee-a37f-75ff-bfc1-42a543ad7f3a',NULL,'{"name":"eventTypes/hanging.one","display_name":"hanging.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:52:51.711Z"}');
INSERT INTO "audit_log" VALUES(14,1795899171715,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/hanging','','01a223ee-a383-76e4-96f4-76128451e37c',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/hanging","uid":"01a223ee-a383-76e5-a1da-d453caa69564","display_name":"Subscription hanging","url":"http://127.0.0.1:8080/[redacted]","event_types":["hanging.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a383-76e6-afab-697a91bbb855","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.715Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.715Z"}');
INSERT INTO "audit_log" VALUES(15,1795899171729,'development','CreateEventType','','eventTypes/paused.one','','01a223ee-a391-72bd-9bfa-562e631c4a72',NULL,'{"name":"eventTypes/paused.one","display_name":"paused.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:52:51.729Z"}');
INSERT INTO "audit_log" VALUES(16,1795899171738,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223ee-a399-72da-b80b-1a6692090d65',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223ee-a39a-764e-a6b8-8102afe421c4","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a39a-764f-a265-37e634f61fc5","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.738Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.738Z"}');
INSERT INTO "audit_log" VALUES(17,1795899171775,'development','UpdateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223ee-a3bf-77f7-b212-edf63e079b0c','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223ee-a39a-764e-a6b8-8102afe421c4","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223ee-a39a-764f-a265-37e634f61fc5","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.738Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.738Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223ee-a39a-764e-a6b8-8102afe421c4","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":false,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"DISABLED","state_reason":"","signing_keys":[{"key_id":"01a223ee-a39a-764f-a265-37e634f61fc5","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:52:51.738Z","expire_time":null}],"create_time":"2026-11-28T20:52:51.738Z"}');
CREATE TABLE change_horizon (id BIGINT NOT NULL PRIMARY KEY, number BIGINT NOT NULL);
INSERT INTO "change_horizon" VALUES(1,0);
CREATE TABLE changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        workspace TEXT NOT NULL,
        notification_id TEXT NOT NULL,
        subscription_uid TEXT NOT NULL,
        state TEXT NOT NULL,
        attempt_count BIGINT NOT NULL,
        next_attempt_time BIGINT,
        complete_time BIGINT,
        failure_reason TEXT,
        attempt_number BIGINT,
        create_time BIGINT NOT NULL
    );
INSERT INTO "changes" VALUES(1,'acme/main','01a223ee-a251-73fe-8ec6-bab483297491','01a223ee-a23c-7353-9291-0d0cdad3ca93','PENDING',0,1795899171409,NULL,NULL,NULL,1795899171409);
INSERT INTO "changes" VALUES(2,'acme/main','01a223ee-a251-73ff-97bc-870472a3829a','01a223ee-a241-77ea-9b74-ef021324408d','PENDING',0,1795899171409,NULL,NULL,NULL,1795899171409);
INSERT INTO "changes" VALUES(3,'acme/main','01a223ee-a251-7400-ac03-80d918b55166','01a223ee-a244-73e4-ba95-d6b664a017c1','PENDING',0,1795899171409,NULL,NULL,NULL,1795899171409);
INSERT INTO "changes" VALUES(4,'acme/main','01a223ee-a251-7401-a3af-452ffebf9075','01a223ee-a24a-7019-ac1b-c2632903b244','PENDING',0,1795899171409,NULL,NULL,NULL,1795899171409);
INSERT INTO "changes" VALUES(5,'acme/main','01a223ee-a251-7402-9499-d932c2565323','01a223ee-a24c-71f6-8dbc-7d74dd139faa','PENDING',0,1795899171409,NULL,NULL,NULL,1795899171409);
INSERT INTO "changes" VALUES(6,'acme/main','01a223ee-a251-7401-a3af-452ffebf9075','01a223ee-a24a-7019-ac1b-c2632903b244','FAILED',1,NULL,1795899171419,'GONE',1,1795899171419);
INSERT INTO "changes" VALUES(7,'acme/main','01a223ee-a251-7402-9499-d932c2565323','01a223ee-a24c-71f6-8dbc-7d74dd139faa','SUCCEEDED',1,NULL,1795899171423,NULL,1,1795899171423);
INSERT INTO "changes" VALUES(8,'acme/main','01a223ee-a251-7400-ac03-80d918b55166','01a223ee-a244-73e4-ba95-d6b664a017c1','PENDING',1,1795899171529,NULL,NULL,1,1795899171423);
INSERT INTO "changes" VALUES(9,'acme/main','01a223ee-a251-73fe-8ec6-bab483297491','01a223ee-a23c-7353-9291-0d0cdad3ca93','SUCCEEDED',1,NULL,1795899171423,NULL,1,1795899171423);
INSERT INTO "changes" VALUES(10,'acme/main','01a223ee-a251-73ff-97bc-870472a3829a','01a223ee-a241-77ea-9b74-ef021324408d','PENDING',1,1795903013298,NULL,NULL,1,1795899171423);
INSERT INTO "changes" VALUES(11,'acme/main','01a223ee-a251-7400-ac03-80d918b55166','01a223ee-a244-73e4-ba95-d6b664a017c1','FAILED',2,NULL,1795899171534,'ATTEMPTS_EXHAUSTED',2,1795899171534);
INSERT INTO "changes" VALUES(12,'acme/main','01a223ee-a2dd-7786-87c8-16670deb52bb','01a223ee-a23c-7353-9291-0d0cdad3ca93','PENDING',0,1795899171549,NULL,NULL,NULL,1795899171549);
INSERT INTO "changes" VALUES(13,'acme/main','01a223ee-a2dd-7787-9765-5f6a7d364eba','01a223ee-a241-77ea-9b74-ef021324408d','PENDING',0,1795899171549,NULL,NULL,NULL,1795899171549);
INSERT INTO "changes" VALUES(14,'acme/main','01a223ee-a2dd-7788-9c3c-0efbdff4f28b','01a223ee-a244-73e4-ba95-d6b664a017c1','PENDING',0,1795899171549,NULL,NULL,NULL,1795899171549);
INSERT INTO "changes" VALUES(15,'acme/main','01a223ee-a2dd-7789-beb4-a4bd06361036','01a223ee-a24a-7019-ac1b-c2632903b244','PENDING',0,1795899171549,NULL,NULL,NULL,1795899171549);
INSERT INTO "changes" VALUES(16,'acme/main','01a223ee-a2dd-7788-9c3c-0efbdff4f28b','01a223ee-a244-73e4-ba95-d6b664a017c1','PENDING',1,1795899171659,NULL,NULL,1,1795899171554);
INSERT INTO "changes" VALUES(17,'acme/main','01a223ee-a2dd-7786-87c8-16670deb52bb','01a223ee-a23c-7353-9291-0d0cdad3ca93','SUCCEEDED',1,NULL,1795899171557,NULL,1,1795899171557);
INSERT INTO "changes" VALUES(18,'acme/main','01a223ee-a2dd-7787-9765-5f6a7d364eba','01a223ee-a241-77ea-9b74-ef021324408d','PENDING',1,1795902269969,NULL,NULL,1,1795899171557);
INSERT INTO "changes" VALUES(19,'acme/main','01a223ee-a2dd-7788-9c3c-0efbdff4f28b','01a223ee-a244-73e4-ba95-d6b664a017c1','FAILED',2,NULL,1795899171663,'ATTEMPTS_EXHAUSTED',2,1795899171663);
INSERT INTO "changes" VALUES(20,'acme/main','01a223ee-a371-762c-9a01-cb299388459e','01a223ee-a367-7424-aa0a-47d81550e434','PENDING',0,1795899171697,NULL,NULL,NULL,1795899171697);
INSERT INTO "changes" VALUES(21,'acme/main','01a223ee-a2dd-7787-9765-5f6a7d364eba','01a223ee-a241-77ea-9b74-ef021324408d','CANCELLED',1,NULL,1795899171698,NULL,NULL,1795899171698);
INSERT INTO "changes" VALUES(22,'acme/main','01a223ee-a371-762c-9a01-cb299388459e','01a223ee-a367-7424-aa0a-47d81550e434','SUCCEEDED',1,NULL,1795899171703,NULL,1,1795899171703);
INSERT INTO "changes" VALUES(23,'acme/main','01a223ee-a381-702e-a6fc-8946b592b90a','01a223ee-a23c-7353-9291-0d0cdad3ca93','PENDING',0,1795899171713,NULL,NULL,NULL,1795899171713);
INSERT INTO "changes" VALUES(24,'acme/main','01a223ee-a381-702e-a6fc-8946b592b90a','01a223ee-a23c-7353-9291-0d0cdad3ca93','SUCCEEDED',1,NULL,1795899171718,NULL,1,1795899171718);
INSERT INTO "changes" VALUES(25,'acme/main','01a223ee-a38e-756f-8e38-f1443bfaf193','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(26,'acme/main','01a223ee-a38e-7570-b4f3-7f978d6aa9a1','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(27,'acme/main','01a223ee-a38e-7571-9910-b0b7fb36348f','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(28,'acme/main','01a223ee-a38e-7572-a8a9-a17d45a32006','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(29,'acme/main','01a223ee-a38e-7573-8616-35145a7e9cd4','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(30,'acme/main','01a223ee-a38e-7574-ab5c-71e458d328c9','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(31,'acme/main','01a223ee-a38e-7575-a376-f136a3f71977','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(32,'acme/main','01a223ee-a38e-7576-96d3-95ed5ba2392d','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(33,'acme/main','01a223ee-a38e-7577-a5a7-af56b88a01f4','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(34,'acme/main','01a223ee-a38e-7578-9728-ac92351b581f','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(35,'acme/main','01a223ee-a38e-7579-a31c-b5e9081a0c84','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(36,'acme/main','01a223ee-a38e-757a-b0e6-07096c0c22c0','01a223ee-a383-76e5-a1da-d453caa69564','PENDING',0,1795899171726,NULL,NULL,NULL,1795899171726);
INSERT INTO "changes" VALUES(37,'acme/main','01a223ee-a3a1-75dc-be5b-5bb9beef4234','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(38,'acme/main','01a223ee-a3a1-75dd-83a5-5f8769f30cbe','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(39,'acme/main','01a223ee-a3a1-75de-9a8e-5252225e9a93','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(40,'acme/main','01a223ee-a3a1-75df-9055-fe38bc01ff4e','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(41,'acme/main','01a223ee-a3a1-75e0-92be-b1fbd8c8c9ba','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(42,'acme/main','01a223ee-a3a1-75e1-b49b-9b9076d9b8d0','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(43,'acme/main','01a223ee-a3a1-75e2-b803-dc6b1d0aea64','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(44,'acme/main','01a223ee-a3a1-75e3-a348-6508efedac55','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(45,'acme/main','01a223ee-a3a1-75e4-b0eb-8b8120ba0346','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(46,'acme/main','01a223ee-a3a1-75e5-9827-5c2baf4e84a9','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(47,'acme/main','01a223ee-a3a1-75e6-8e9c-52b1d804987f','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
INSERT INTO "changes" VALUES(48,'acme/main','01a223ee-a3a1-75e7-8eaa-398aa4643364','01a223ee-a39a-764e-a6b8-8102afe421c4','PENDING',0,1795899171745,NULL,NULL,NULL,1795899171745);
CREATE TABLE credentials (
        id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        identity TEXT,
        secret_sha256 BYTEA,
        organization TEXT,
        workspace TEXT,
        scopes TEXT NOT NULL,
        description TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT,
        revoke_time BIGINT,
        last_used_time BIGINT
    );
CREATE TABLE database_secrets (
        name TEXT NOT NULL PRIMARY KEY,
        secret TEXT NOT NULL,
        sealed_with TEXT NOT NULL
    );
INSERT INTO "database_secrets" VALUES('fingerprints','1eVK+hIfrNWBdICCe9qqg3s4Vfd7xm/sP28TkZjaYflbf87E7TaRxr0TbrLUkix88FSkMElEEDZ82mn7bdDQe5N+M4q2rrRY','first');
CREATE TABLE event_types (
        id TEXT NOT NULL PRIMARY KEY,
        display_name TEXT NOT NULL,
        description TEXT NOT NULL,
        service TEXT NOT NULL,
        category BIGINT,
        code BIGINT,
        examples TEXT NOT NULL,
        attribute_keys TEXT NOT NULL,
        deprecated BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        update_time BIGINT NOT NULL,
        revision BIGINT NOT NULL
    , json_schema TEXT NOT NULL DEFAULT '', schema_enforcement TEXT NOT NULL DEFAULT 'REJECT');
INSERT INTO "event_types" VALUES('agent.status.changed','agent.status.changed','','',NULL,NULL,'[]','[]',0,1795899171381,1795899171381,1795899171381,'','REJECT');
INSERT INTO "event_types" VALUES('hanging.one','hanging.one','','',NULL,NULL,'[]','[]',0,1795899171711,1795899171711,1795899171711,'','REJECT');
INSERT INTO "event_types" VALUES('paused.one','paused.one','','',NULL,NULL,'[]','[]',0,1795899171729,1795899171729,1795899171729,'','REJECT');
CREATE TABLE events (
        workspace TEXT NOT NULL,
        id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        source TEXT NOT NULL,
        subject TEXT NOT NULL,
        attributes TEXT NOT NULL,
        content_type TEXT NOT NULL,
        payload_is_json BIGINT NOT NULL,
        occur_time BIGINT,
        create_time BIGINT NOT NULL,
        payload_sha256 BYTEA NOT NULL,
        payload_size BIGINT NOT NULL,
        matched_count BIGINT NOT NULL,
        context_json TEXT NOT NULL,
        payload BYTEA NOT NULL, category BIGINT, code BIGINT,
        PRIMARY KEY (workspace, id)
    );
INSERT INTO "events" VALUES('acme/main','01a223ee-a24f-721b-9963-a32eace90aed','agent.status.changed','agents/a-17','','{"team":"a"}','application/json',1,NULL,1795899171407,X'CDE2CA7C86760958A5C56ED21C980F7012B150A4819B274FC806EA42A4500D19',15,5,'',X'7B226669727374223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a2da-71b8-a45b-7fb5de2b6d50','agent.status.changed','','','{}','application/json',1,NULL,1795899171546,X'7A5DC9D412D870E6FFD53CDBC8734AF377983AFF1111FF1FE2309822DCA22149',16,4,'',X'7B227365636F6E64223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a36b-7323-bfe7-3ad1739d5249','tidings.signing_key.rotated','tidings','organizations/acme/workspaces/main/subscriptions/ok','{}','application/json',1,1795899171690,1795899171693,X'74475279D98F70AEC449F2F680CE78E3F1F9A312F1B6A1FE87BB81AA03E4A01B',191,1,'',X'7B22737562736372697074696F6E223A226F7267616E697A6174696F6E732F61636D652F776F726B7370616365732F6D61696E2F737562736372697074696F6E732F6F6B222C227369676E61747572655F736368656D65223A225354414E444152445F574542484F4F4B53222C226B65795F6964223A2230316132323365652D613336622D373332322D623231652D373630626237313931326539222C2274696D65223A22323032362D31312D32385432303A35323A35312E3639305A227D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-7479-bb09-6f6a6b8ca9c3','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-747a-9f71-4fc93eaa1040','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-747b-9104-79284ec5834e','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-747c-a82c-da32e6bbee37','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-747d-bd27-2f6e9f554c81','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-747e-b667-4ab0081cf830','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-747f-9e0e-9ee51a5fabf4','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-7480-a542-1ac7af10e3f7','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-7481-9858-ec0dd5d02ac3','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-7482-9538-df3d4a121ad7','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-7483-bc49-0bcb1912f104','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a38a-7484-bbd9-7af630fe2735','hanging.one','','','{}','application/json',1,NULL,1795899171722,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-7177-a5c6-cca3d16950c0','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-7178-bf7e-0acff2257e3a','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-7179-9ca3-0085b0249b14','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-717a-ac97-31670f5bedda','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-717b-bfdc-a2fd4ae042e3','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-717c-979b-0b231517d7cd','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-717d-853b-08089ceece19','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-717e-8f65-f197b531a29f','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-717f-a8f5-163fe447f539','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-7180-b45b-1779e73852c2','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-7181-b25c-d31efde65eb6','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223ee-a39d-7182-87dc-7c36771e1845','paused.one','','','{}','application/json',1,NULL,1795899171741,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
CREATE TABLE lanes (
        subscription_uid TEXT NOT NULL PRIMARY KEY REFERENCES subscriptions (uid),
        concurrency BIGINT NOT NULL,
        successes BIGINT NOT NULL,
        narrowed_at BIGINT NOT NULL,
        failed_probes BIGINT NOT NULL,
        open_until BIGINT,
        failing_since BIGINT,
        failures BIGINT NOT NULL,
        last_success_time BIGINT
    );
INSERT INTO "lanes" VALUES('01a223ee-a24a-7019-ac1b-c2632903b244',8,0,0,0,NULL,1795899171419,1,NULL);
INSERT INTO "lanes" VALUES('01a223ee-a23c-7353-9291-0d0cdad3ca93',8,3,0,0,NULL,NULL,0,1795899171423);
INSERT INTO "lanes" VALUES('01a223ee-a241-77ea-9b74-ef021324408d',8,0,0,0,NULL,1795899171423,2,NULL);
INSERT INTO "lanes" VALUES('01a223ee-a244-73e4-ba95-d6b664a017c1',8,0,0,0,NULL,1795899171423,4,NULL);
INSERT INTO "lanes" VALUES('01a223ee-a367-7424-aa0a-47d81550e434',8,1,0,0,NULL,NULL,0,1795899171703);
CREATE TABLE management_requests (
        workspace TEXT NOT NULL,
        method TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        result TEXT NOT NULL,
        create_time BIGINT NOT NULL, fingerprint_is_keyed BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (workspace, method, request_id)
    );
INSERT INTO "management_requests" VALUES('acme/main','RotateSigningKey','rotation-1',X'C3D5E029E0BD3C7C8EB75A49CF22C05D09794C02D8E2E53A28DB68B672199160','{"subscription_uid":"01a223ee-a23c-7353-9291-0d0cdad3ca93","subscription_id":"ok","key_id":"01a223ee-a36b-7322-b21e-760bb71912e9"}',1795899171690,1);
CREATE TABLE notifications (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        event_id TEXT NOT NULL,
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        subscription_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        state TEXT NOT NULL,
        due_at BIGINT NOT NULL,
        held BIGINT NOT NULL,
        claim BIGINT NOT NULL,
        lease_owner TEXT,
        claim_time BIGINT,
        attempt_count BIGINT NOT NULL,
        schedule_step BIGINT NOT NULL,
        interruptions BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        complete_time BIGINT,
        failure_reason TEXT, replay_id TEXT, schedule_time BIGINT, tier BIGINT NOT NULL DEFAULT 0, payload_size BIGINT NOT NULL DEFAULT 0,
        FOREIGN KEY (workspace, event_id) REFERENCES events (workspace, id)
    );
INSERT INTO "notifications" VALUES('01a223ee-a251-73fe-8ec6-bab483297491','acme/main','01a223ee-a24f-721b-9963-a32eace90aed','01a223ee-a23c-7353-9291-0d0cdad3ca93','ok','agent.status.changed','SUCCEEDED',1795899231410,0,1,NULL,1795899171410,1,0,0,1795899171409,1795899171423,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223ee-a251-73ff-97bc-870472a3829a','acme/main','01a223ee-a24f-721b-9963-a32eace90aed','01a223ee-a241-77ea-9b74-ef021324408d','failing','agent.status.changed','WAITING',1795903013298,0,1,NULL,1795899171410,1,1,0,1795899171409,NULL,NULL,NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223ee-a251-7400-ac03-80d918b55166','acme/main','01a223ee-a24f-721b-9963-a32eace90aed','01a223ee-a244-73e4-ba95-d6b664a017c1','exhausted','agent.status.changed','FAILED',1795899231530,0,2,NULL,1795899171530,2,1,0,1795899171409,1795899171534,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223ee-a251-7401-a3af-452ffebf9075','acme/main','01a223ee-a24f-721b-9963-a32eace90aed','01a223ee-a24a-7019-ac1b-c2632903b244','gone','agent.status.changed','FAILED',1795899231410,0,1,NULL,1795899171410,1,0,0,1795899171409,1795899171419,'GONE',NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223ee-a251-7402-9499-d932c2565323','acme/main','01a223ee-a24f-721b-9963-a32eace90aed','01a223ee-a24c-71f6-8dbc-7d74dd139faa','deleted','agent.status.changed','SUCCEEDED',1795899231410,0,1,NULL,1795899171410,1,0,0,1795899171409,1795899171423,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223ee-a2dd-7786-87c8-16670deb52bb','acme/main','01a223ee-a2da-71b8-a45b-7fb5de2b6d50','01a223ee-a23c-7353-9291-0d0cdad3ca93','ok','agent.status.changed','SUCCEEDED',1795899231550,0,1,NULL,1795899171550,1,0,0,1795899171549,1795899171557,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223ee-a2dd-7787-9765-5f6a7d364eba','acme/main','01a223ee-a2da-71b8-a45b-7fb5de2b6d50','01a223ee-a241-77ea-9b74-ef021324408d','failing','agent.status.changed','CANCELLED',1795902269969,0,2,NULL,1795899171550,1,1,0,1795899171549,1795899171698,NULL,NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223ee-a2dd-7788-9c3c-0efbdff4f28b','acme/main','01a223ee-a2da-71b8-a45b-7fb5de2b6d50','01a223ee-a244-73e4-ba95-d6b664a017c1','exhausted','agent.status.changed','FAILED',1795899231659,0,2,NULL,1795899171659,2,1,0,1795899171549,1795899171663,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223ee-a2dd-7789-beb4-a4bd06361036','acme/main','01a223ee-a2da-71b8-a45b-7fb5de2b6d50','01a223ee-a24a-7019-ac1b-c2632903b244','gone','agent.status.changed','WAITING',1797108771550,1,0,NULL,NULL,0,0,0,1795899171549,NULL,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223ee-a371-762c-9a01-cb299388459e','acme/main','01a223ee-a36b-7323-bfe7-3ad1739d5249','01a223ee-a367-7424-aa0a-47d81550e434','listener','tidings.signing_key.rotated','SUCCEEDED',1795899231698,0,1,NULL,1795899171698,1,0,0,1795899171697,1795899171703,NULL,NULL,NULL,0,191);
INSERT INTO "notifications" VALUES('01a223ee-a381-702e-a6fc-8946b592b90a','acme/main','01a223ee-a24f-721b-9963-a32eace90aed','01a223ee-a23c-7353-9291-0d0cdad3ca93','ok','agent.status.changed','SUCCEEDED',1795899231714,0,1,NULL,1795899171714,1,0,0,1795899171713,1795899171718,NULL,'01a223ee-a377-7510-abca-a7e2210e9c7a',NULL,1,15);
INSERT INTO "notifications" VALUES('01a223ee-a38e-756f-8e38-f1443bfaf193','acme/main','01a223ee-a38a-7479-bb09-6f6a6b8ca9c3','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7570-b4f3-7f978d6aa9a1','acme/main','01a223ee-a38a-747a-9f71-4fc93eaa1040','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7571-9910-b0b7fb36348f','acme/main','01a223ee-a38a-747b-9104-79284ec5834e','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7572-a8a9-a17d45a32006','acme/main','01a223ee-a38a-747c-a82c-da32e6bbee37','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7573-8616-35145a7e9cd4','acme/main','01a223ee-a38a-747d-bd27-2f6e9f554c81','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7574-ab5c-71e458d328c9','acme/main','01a223ee-a38a-747e-b667-4ab0081cf830','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7575-a376-f136a3f71977','acme/main','01a223ee-a38a-747f-9e0e-9ee51a5fabf4','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7576-96d3-95ed5ba2392d','acme/main','01a223ee-a38a-7480-a542-1ac7af10e3f7','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','WAITING',1795899231728,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171728,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7577-a5a7-af56b88a01f4','acme/main','01a223ee-a38a-7481-9858-ec0dd5d02ac3','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','READY',1795899171726,0,0,NULL,NULL,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7578-9728-ac92351b581f','acme/main','01a223ee-a38a-7482-9538-df3d4a121ad7','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','READY',1795899171726,0,0,NULL,NULL,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-7579-a31c-b5e9081a0c84','acme/main','01a223ee-a38a-7483-bc49-0bcb1912f104','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','READY',1795899171726,0,0,NULL,NULL,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a38e-757a-b0e6-07096c0c22c0','acme/main','01a223ee-a38a-7484-bbd9-7af630fe2735','01a223ee-a383-76e5-a1da-d453caa69564','hanging','hanging.one','READY',1795899171726,0,0,NULL,NULL,0,0,0,1795899171726,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75dc-be5b-5bb9beef4234','acme/main','01a223ee-a39d-7177-a5c6-cca3d16950c0','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75dd-83a5-5f8769f30cbe','acme/main','01a223ee-a39d-7178-bf7e-0acff2257e3a','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75de-9a8e-5252225e9a93','acme/main','01a223ee-a39d-7179-9ca3-0085b0249b14','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75df-9055-fe38bc01ff4e','acme/main','01a223ee-a39d-717a-ac97-31670f5bedda','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e0-92be-b1fbd8c8c9ba','acme/main','01a223ee-a39d-717b-bfdc-a2fd4ae042e3','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e1-b49b-9b9076d9b8d0','acme/main','01a223ee-a39d-717c-979b-0b231517d7cd','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e2-b803-dc6b1d0aea64','acme/main','01a223ee-a39d-717d-853b-08089ceece19','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e3-a348-6508efedac55','acme/main','01a223ee-a39d-717e-8f65-f197b531a29f','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1795899231747,0,1,'01a223ee-a1fe-70c7-b604-dcac998735d5',1795899171747,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e4-b0eb-8b8120ba0346','acme/main','01a223ee-a39d-717f-a8f5-163fe447f539','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1797108772386,1,0,NULL,NULL,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e5-9827-5c2baf4e84a9','acme/main','01a223ee-a39d-7180-b45b-1779e73852c2','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1797108772386,1,0,NULL,NULL,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e6-8e9c-52b1d804987f','acme/main','01a223ee-a39d-7181-b25c-d31efde65eb6','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1797108772386,1,0,NULL,NULL,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223ee-a3a1-75e7-8eaa-398aa4643364','acme/main','01a223ee-a39d-7182-87dc-7c36771e1845','01a223ee-a39a-764e-a6b8-8102afe421c4','paused','paused.one','WAITING',1797108772386,1,0,NULL,NULL,0,0,0,1795899171745,NULL,NULL,NULL,NULL,0,2);
CREATE TABLE publish_requests (
        workspace TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        event_id TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, request_id)
    );
INSERT INTO "publish_requests" VALUES('acme/main','request-1',X'006D83D1450CCB7E5EA275CE9BFB4FE3DCFB0C5079B70584440CDC1CE8792FC9','01a223ee-a24f-721b-9963-a32eace90aed',1795899171407);
INSERT INTO "publish_requests" VALUES('acme/main','01a223ee-a36b-7323-bfe7-3ad1739d5249',X'CF0B7C1446371B66F628BC0C2F9F28B25186CCB4B2019D6F8DB5D64BC3DFD098','01a223ee-a36b-7323-bfe7-3ad1739d5249',1795899171693);
CREATE TABLE replays (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        subscription_id TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        states TEXT NOT NULL,
        include_unmatched BIGINT NOT NULL,
        max_rate_per_second DOUBLE PRECISION,
        state TEXT NOT NULL,
        examined_count BIGINT NOT NULL,
        created_count BIGINT NOT NULL,
        position_time BIGINT NOT NULL,
        position_id TEXT NOT NULL,
        next_time BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        complete_time BIGINT
    );
INSERT INTO "replays" VALUES('01a223ee-a377-7510-abca-a7e2210e9c7a','acme/main','01a223ee-a23c-7353-9291-0d0cdad3ca93','ok',0,1795899171703,'[]',0,0.01,'RUNNING',1,1,1795899171407,'01a223ee-a24f-721b-9963-a32eace90aed',1795899271713,1795899171703,NULL);
CREATE TABLE sealing_keys (
        key_id TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        proof TEXT NOT NULL,
        create_time BIGINT NOT NULL
    );
INSERT INTO "sealing_keys" VALUES('first','ACTIVE','7D+eY/9dFAMgR7uoTRWKajACt7OEKhX8cX41me5YJPDeM7s=',1795899171288);
CREATE TABLE signing_keys (
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        key_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT, scheme TEXT NOT NULL DEFAULT 'STANDARD_WEBHOOKS', sealed_with TEXT,
        PRIMARY KEY (subscription_uid, key_id)
    );
INSERT INTO "signing_keys" VALUES('01a223ee-a23c-7353-9291-0d0cdad3ca93','01a223ee-a23c-7354-a8a1-1a280020d7c1','y9ikuH7BlbQ/wp1gC/sqXwz5u9Em32CwmPlSuEwL9GMSiPGwvO5GF29oyG/s6MpFQvj5QqdgpRjQMSpk9GG75wWquLlOvE5KbxAwc4yX',1795899171388,1795985571690,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223ee-a241-77ea-9b74-ef021324408d','01a223ee-a241-77eb-8237-5edf9d7a4ce7','IBYDC2SUufOenkC6kASiBjt96ghM/p1h7m1YbvDwmJ6ouJxnMpYr1BBP3L9J3YB3eFGYJ7euLXheUi7W5HIOadm4akJOs9nuJigXjTWg',1795899171393,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223ee-a244-73e4-ba95-d6b664a017c1','01a223ee-a244-73e5-a886-d104fd28ea3c','dtdKl0L9YZiXpXeWpDZZ16WPfRxozu5+M/FPrZRKGEwT6o7t+EsXl2GU1vsDNW0sPlaKnGASwIVr+/j3M3V+xy7HKWGlyC73NO+91MgT',1795899171396,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223ee-a24a-7019-ac1b-c2632903b244','01a223ee-a24a-701a-884f-58043cd504f7','+ECcZ27zAjemsQSfpcHlcxAsHRggrKLORiV/JB6vPus8CeJPYZeVPNVOHYTxuRoF3/tTwso2mF2ZrkpCa8YJs4a2B7pn8XKfme4wlNse',1795899171401,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223ee-a367-7424-aa0a-47d81550e434','01a223ee-a367-7425-8edf-2101c5502bc5','XcCTr7rvtKExBmPTjpNtOzdtIZVEM7qz4FMHQBB5zEo+IhpYFvf/2bZEd08bbCxXklmdl7F8Kwqkm1HEgzH95OXyVfHLJxsSrp1spRfY',1795899171687,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223ee-a23c-7353-9291-0d0cdad3ca93','01a223ee-a36b-7322-b21e-760bb71912e9','Z/64eKf1d3luh097TFl2TECkSiYO1abc8Hj4PNSNjlDZcS7LAdQ1RnGz4F48+vLCbsOFJUj4WwPX59E2sjMhWHd6LqJhLRXUz8tcCAiF',1795899171690,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223ee-a383-76e5-a1da-d453caa69564','01a223ee-a383-76e6-afab-697a91bbb855','aknCgD5zmE3+jCuRWPrOzJop4nJ6G5UVW+Q4LcoS1m92oGD+baQ3zchHt5UZS1ICd1oPySM+ENx9glMPipkTGVDbHHjQdqeY1vIavBTz',1795899171715,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223ee-a39a-764e-a6b8-8102afe421c4','01a223ee-a39a-764f-a265-37e634f61fc5','gsjzb2MEpAdDTp3tGPTKgdzEedrFNY1+0LwEK1laUSk3CrgZPldgCA+kY92V8yoF+GE7R7U36rG5hbWphdlXQe+CziBXF188FRzNNTCL',1795899171738,NULL,'STANDARD_WEBHOOKS','first');
CREATE TABLE subscriptions (
        uid TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        id TEXT NOT NULL,
        display_name TEXT NOT NULL,
        url TEXT NOT NULL,
        event_types TEXT NOT NULL,
        attribute_filters TEXT NOT NULL,
        enabled BIGINT NOT NULL,
        format TEXT NOT NULL,
        signature_scheme TEXT NOT NULL,
        headers TEXT NOT NULL,
        retry_policy TEXT,
        max_concurrency BIGINT,
        annotations TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        update_time BIGINT NOT NULL,
        delete_time BIGINT,
        revision BIGINT NOT NULL,
        sweep TEXT,
        sweep_after TEXT NOT NULL
    , filter TEXT NOT NULL DEFAULT '', filter_is_shut BIGINT NOT NULL DEFAULT 0, api_key_header TEXT, api_key_value TEXT, suspend_time BIGINT, suspend_reason TEXT, wants_operational_events BIGINT NOT NULL DEFAULT 0, max_rate_per_second DOUBLE PRECISION, sealed_with TEXT, url_rest TEXT);
INSERT INTO "subscriptions" VALUES('01a223ee-a23c-7353-9291-0d0cdad3ca93','acme/main','ok','Subscription ok','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','9m+7huwJsP/OkX1i8+vvF2nJwJguo0mKm8LkvQ6u',NULL,NULL,'{}',1795899171388,1795899171690,NULL,9,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','CqIKh7ZSrXrmwfnFsXRRpyAJ35Yyq/UYlY7xTxkmiA==');
INSERT INTO "subscriptions" VALUES('01a223ee-a241-77ea-9b74-ef021324408d','acme/main','failing','Subscription failing','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','JEX6DV75zzd2n5YpXMuIcw5LvPAe/GNZgECth3DY','{"delays_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795899171393,1795899171393,NULL,2,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','kX+alo/3xZQBKz0nxySwTYLwRBLj4jsRjVgtqWmIDus/iw==');
INSERT INTO "subscriptions" VALUES('01a223ee-a244-73e4-ba95-d6b664a017c1','acme/main','exhausted','Subscription exhausted','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','RmlwkU7HkdFM3WHvWxkjA+mE4jwqmbJVBIMVXnjS','{"delays_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795899171396,1795899171396,NULL,3,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','UqdFkfTVgxDzq02wKm9yBQoGKPjYUF3HJGmNBGMxGEGVWQ==');
INSERT INTO "subscriptions" VALUES('01a223ee-a24a-7019-ac1b-c2632903b244','acme/main','gone','Subscription gone','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','wiOx01eMU/7cH/xudzRSx6baK2dF30QyuVmhLiHD',NULL,NULL,'{}',1795899171401,1795899171419,NULL,6,NULL,'','',0,NULL,NULL,1795899171419,'GONE',0,NULL,'first','vaz7e01nQj9LhbkbgpN7I0djC2dJ+AR8Q6A+FeqWH1D3');
INSERT INTO "subscriptions" VALUES('01a223ee-a24c-71f6-8dbc-7d74dd139faa','acme/main','deleted','Subscription deleted','','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795899171404,1795899171404,1795899171542,7,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223ee-a367-7424-aa0a-47d81550e434','acme/main','listener','Subscription listener','http://127.0.0.1:8080','["tidings.*"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','p4W2N8///ppBYS8zmiw+PE1WAV8NmcnpLH0Av+V+',NULL,NULL,'{}',1795899171687,1795899171687,NULL,8,NULL,'','event.type.startsWith(''tidings.'')',0,'X-API-Key','QLBdqQcgcc4ysoBL7H1b6dWqDoGg1vSdNAnokqbIKHNF8IylZHQ=',NULL,NULL,1,NULL,'first','b/4lp6r9zZwVqiHxC+90wDr2M8EG6ygm3CdZO778uA==');
INSERT INTO "subscriptions" VALUES('01a223ee-a383-76e5-a1da-d453caa69564','acme/main','hanging','Subscription hanging','http://127.0.0.1:8080','["hanging.one"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','O435nxe1ajoKUUJKH88DACSmDZ9CaIGxe/K86iWA',NULL,NULL,'{}',1795899171715,1795899171715,NULL,10,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','25iwwsSZARWDIJuThpijbo34wu54iC1I8p8ZUTR77XyURg==');
INSERT INTO "subscriptions" VALUES('01a223ee-a39a-764e-a6b8-8102afe421c4','acme/main','paused','Subscription paused','http://127.0.0.1:8080','["paused.one"]','{}',0,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','nn9myHPp9RNzRxYLfuqcv/o7qZT5jVCl0pviQV6o',NULL,NULL,'{}',1795899171738,1795899171775,NULL,12,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','u29g+iVGU/FnaLLaaW5XPTk+lNugo93yQ5UjrTkBN0lcIA==');
CREATE TABLE workspaces (
        workspace TEXT NOT NULL PRIMARY KEY,
        revision BIGINT NOT NULL
    , forgotten_revision BIGINT NOT NULL DEFAULT 0);
INSERT INTO "workspaces" VALUES('acme/main',12,0);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX subscriptions_by_id ON subscriptions (workspace, id) WHERE delete_time IS NULL;
CREATE UNIQUE INDEX subscriptions_by_display_name ON subscriptions (workspace, display_name)
    WHERE delete_time IS NULL
    ;
CREATE INDEX subscriptions_by_revision ON subscriptions (workspace, revision);
CREATE INDEX subscriptions_to_sweep ON subscriptions (uid) WHERE sweep IS NOT NULL;
CREATE INDEX events_by_time ON events (workspace, create_time, id);
CREATE INDEX notifications_timer ON notifications (due_at) WHERE state = 'WAITING' AND lease_owner IS NULL;
CREATE INDEX notifications_leases ON notifications (due_at) WHERE lease_owner IS NOT NULL;
CREATE INDEX notifications_pending ON notifications (subscription_uid, complete_time, id)
    WHERE complete_time IS NULL
    ;
CREATE INDEX notifications_by_workspace ON notifications (workspace, id);
CREATE INDEX notifications_by_event ON notifications (workspace, event_id, id);
CREATE INDEX notifications_by_subscription ON notifications (subscription_uid, id);
CREATE INDEX subscriptions_to_tell ON subscriptions (workspace, wants_operational_events, delete_time)
    WHERE wants_operational_events = 1 AND delete_time IS NULL
    ;
CREATE INDEX signing_keys_to_expire ON signing_keys (expire_time) WHERE expire_time IS NOT NULL;
CREATE UNIQUE INDEX notifications_by_replay ON notifications (replay_id, event_id) WHERE replay_id IS NOT NULL;
CREATE INDEX changes_by_workspace ON changes (workspace, (number + 0));
CREATE INDEX replays_by_subscription ON replays (subscription_uid, id);
CREATE INDEX replays_running ON replays (next_time) WHERE state = 'RUNNING';
CREATE INDEX replays_running_of ON replays (subscription_uid) WHERE state = 'RUNNING';
CREATE INDEX notifications_lane ON notifications (subscription_uid, tier, due_at) WHERE state = 'READY';
CREATE INDEX events_by_age ON events (create_time, workspace, id);
CREATE INDEX publish_requests_by_age ON publish_requests (create_time);
CREATE INDEX management_requests_by_age ON management_requests (create_time);
CREATE INDEX replays_by_age ON replays (complete_time, id) WHERE complete_time IS NOT NULL;
CREATE INDEX replays_running_in ON replays (workspace, position_time) WHERE state = 'RUNNING';
CREATE INDEX subscriptions_by_deletion ON subscriptions (delete_time, uid) WHERE delete_time IS NOT NULL;
CREATE INDEX changes_of_ended ON changes (notification_id) WHERE complete_time IS NOT NULL;
CREATE UNIQUE INDEX credentials_by_identity ON credentials (identity)
    WHERE identity IS NOT NULL AND revoke_time IS NULL
    ;
CREATE INDEX credentials_by_binding ON credentials (organization, workspace) WHERE revoke_time IS NULL;
CREATE UNIQUE INDEX sealing_keys_active ON sealing_keys (state) WHERE state = 'ACTIVE';
CREATE INDEX subscriptions_by_seal ON subscriptions (sealed_with, uid) WHERE delete_time IS NULL;
CREATE INDEX signing_keys_by_seal ON signing_keys (sealed_with, subscription_uid, key_id);
CREATE INDEX audit_log_by_time ON audit_log (time, number);
CREATE INDEX audit_log_by_workspace ON audit_log (workspace, time, number);
CREATE INDEX audit_log_by_resource ON audit_log (resource, time, number);
CREATE INDEX subscriptions_living ON subscriptions (workspace, delete_time);
CREATE INDEX subscriptions_with_filter ON subscriptions (workspace, delete_time)
    WHERE filter <> '' AND delete_time IS NULL
    ;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_log',17);
INSERT INTO "sqlite_sequence" VALUES('changes',48);
COMMIT;
