-- agent.status.changed and others, by 0004_credentials_sealing_audit, at 1795896947234
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tidings','0001_first_tables','2026-11-28 20:15:45.944276+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'tidings','0002_filters_rotation_schemas_replays_changes','2026-11-28 20:15:45.952492+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'tidings','0003_lanes_retention','2026-11-28 20:15:45.958575+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'tidings','0004_credentials_sealing_audit','2026-11-28 20:15:45.960760+00:00');
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
INSERT INTO "attempts" VALUES('01a223cc-ae46-7044-b695-420c7193c753',1,'REJECTED',1795896946261,5,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:37177','["01a223cc-ae3a-77b5-b5b8-b69744e983ba"]');
INSERT INTO "attempts" VALUES('01a223cc-ae46-7047-9fd8-62ecc1968946',1,'SUCCEEDED',1795896946262,7,204,'[["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:37177','["01a223cc-ae42-7043-8465-2ad4d631b59d"]');
INSERT INTO "attempts" VALUES('01a223cc-ae46-7045-bb28-119c770b2da3',1,'REJECTED',1795896946263,7,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:37177','["01a223cc-ae3d-7251-b420-7ed986e4e938"]');
INSERT INTO "attempts" VALUES('01a223cc-ae46-7046-af20-45bea3a60918',1,'GONE',1795896946263,7,410,'[["Content-Length","0"],["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'the receiver answered 410: it wants nothing more','127.0.0.1:37177','["01a223cc-ae40-75c6-a41d-e19d1e2169e0"]');
INSERT INTO "attempts" VALUES('01a223cc-ae46-7043-8308-0a2364b5ca08',1,'SUCCEEDED',1795896946263,7,204,'[["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:37177','["01a223cc-ae34-734f-8c3a-0bd634766563"]');
INSERT INTO "attempts" VALUES('01a223cc-ae46-7045-bb28-119c770b2da3',2,'REJECTED',1795896946385,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:37177','["01a223cc-ae3d-7251-b420-7ed986e4e938"]');
INSERT INTO "attempts" VALUES('01a223cc-aef5-75d0-a0ba-b5f20280d5e3',1,'REJECTED',1795896946425,3,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:37177','["01a223cc-ae3a-77b5-b5b8-b69744e983ba"]');
INSERT INTO "attempts" VALUES('01a223cc-aef5-75cf-8777-c8227a5ff35b',1,'SUCCEEDED',1795896946425,3,204,'[["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:37177','["01a223cc-ae34-734f-8c3a-0bd634766563"]');
INSERT INTO "attempts" VALUES('01a223cc-aef5-75d1-975c-6d3fbe7216eb',1,'REJECTED',1795896946425,3,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:37177','["01a223cc-ae3d-7251-b420-7ed986e4e938"]');
INSERT INTO "attempts" VALUES('01a223cc-aef5-75d1-975c-6d3fbe7216eb',2,'REJECTED',1795896946515,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:37177','["01a223cc-ae3d-7251-b420-7ed986e4e938"]');
INSERT INTO "attempts" VALUES('01a223cc-af71-7788-92bd-79ee70618fde',1,'SUCCEEDED',1795896946553,1,204,'[["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:37177','["01a223cc-af62-756f-a78d-9b314d89cb15"]');
INSERT INTO "attempts" VALUES('01a223cc-af86-723f-904e-7c7d451ed0fe',1,'SUCCEEDED',1795896946572,1,204,'[["Date","Sat, 28 Nov 2026 20:15:46 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:37177','["01a223cc-af65-71fe-b822-6ffe1d485e46","01a223cc-ae34-734f-8c3a-0bd634766563"]');
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
INSERT INTO "audit_log" VALUES(1,1795896946209,'development','CreateEventType','','eventTypes/agent.status.changed','','01a223cc-ae21-727b-8806-a54c3a0fb460',NULL,'{"name":"eventTypes/agent.status.changed","display_name":"agent.status.changed","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:15:46.209Z"}');
INSERT INTO "audit_log" VALUES(2,1795896946228,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/ok','','01a223cc-ae34-734d-a00a-0e4a9960e8c7',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223cc-ae34-734e-a5fc-ca8375e1a615","display_name":"Subscription ok","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae34-734f-8c3a-0bd634766563","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.228Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.228Z"}');
INSERT INTO "audit_log" VALUES(3,1795896946234,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/failing','','01a223cc-ae3a-77b3-9d06-b2c61226b467',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/failing","uid":"01a223cc-ae3a-77b4-8c17-53e7bf562c5b","display_name":"Subscription failing","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae3a-77b5-b5b8-b69744e983ba","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.234Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.234Z"}');
INSERT INTO "audit_log" VALUES(4,1795896946237,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/exhausted','','01a223cc-ae3d-724f-aa4b-c0870a49d81e',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/exhausted","uid":"01a223cc-ae3d-7250-b1a2-0a5b6869f6f6","display_name":"Subscription exhausted","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae3d-7251-b420-7ed986e4e938","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.237Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.237Z"}');
INSERT INTO "audit_log" VALUES(5,1795896946240,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','01a223cc-ae3f-7145-8bb3-4e516a032394',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223cc-ae40-75c5-a47d-27c11a778188","display_name":"Subscription gone","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae40-75c6-a41d-e19d1e2169e0","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.240Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.240Z"}');
INSERT INTO "audit_log" VALUES(6,1795896946242,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223cc-ae42-7041-b454-b03b54075e18',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223cc-ae42-7042-9800-81e164d0623b","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae42-7043-8465-2ad4d631b59d","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.242Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.242Z"}');
INSERT INTO "audit_log" VALUES(7,1795896946273,'server','SuspendSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223cc-ae40-75c5-a47d-27c11a778188","display_name":"Subscription gone","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae40-75c6-a41d-e19d1e2169e0","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.240Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.240Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223cc-ae40-75c5-a47d-27c11a778188","display_name":"Subscription gone","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"SUSPENDED","state_reason":"GONE","signing_keys":[{"key_id":"01a223cc-ae40-75c6-a41d-e19d1e2169e0","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.240Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.240Z"}');
INSERT INTO "audit_log" VALUES(8,1795896946414,'development','DeleteSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223cc-aeee-7030-8895-61c08924cae5','{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223cc-ae42-7042-9800-81e164d0623b","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae42-7043-8465-2ad4d631b59d","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.242Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.242Z"}',NULL);
INSERT INTO "audit_log" VALUES(9,1795896946530,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/listener','','01a223cc-af5d-7684-9c98-e6ce7377c1dd',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/listener","uid":"01a223cc-af62-756e-a5c0-1ecab883a02c","display_name":"Subscription listener","url":"http://127.0.0.1:8080/***","event_types":["tidings.*"],"attribute_filters":{},"filter":"event.type.startsWith(''tidings.'')","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":{"header":"X-API-Key","value":"***"},"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-af62-756f-a78d-9b314d89cb15","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.530Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.530Z"}');
INSERT INTO "audit_log" VALUES(10,1795896946533,'development','RotateSigningKey','acme/main','organizations/acme/workspaces/main/subscriptions/ok','rotation-1','01a223cc-af65-71fd-b84f-bd0a79f5eb62','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223cc-ae34-734e-a5fc-ca8375e1a615","display_name":"Subscription ok","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-ae34-734f-8c3a-0bd634766563","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.228Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.228Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223cc-ae34-734e-a5fc-ca8375e1a615","display_name":"Subscription ok","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-af65-71fe-b822-6ffe1d485e46","scheme":"STANDARD_WEBHOOKS","hint":"Oq0=","create_time":"2026-11-28T20:15:46.533Z","expire_time":null},{"key_id":"01a223cc-ae34-734f-8c3a-0bd634766563","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.228Z","expire_time":"2026-11-29T20:15:46.533Z"}],"create_time":"2026-11-28T20:15:46.228Z"}');
INSERT INTO "audit_log" VALUES(11,1795896946547,'development','CancelNotification','acme/main','organizations/acme/workspaces/main/notifications/01a223cc-aef5-75d0-a0ba-b5f20280d5e3','','01a223cc-af73-7423-8b97-aa5b9fcd387d','{"name":"organizations/acme/workspaces/main/notifications/01a223cc-aef5-75d0-a0ba-b5f20280d5e3","event":"organizations/acme/workspaces/main/events/01a223cc-aef1-76fc-90f7-e9700b37d036","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"PENDING","attempt_count":1,"next_attempt_time":"2026-11-28T21:04:56.240Z","replay":null,"create_time":"2026-11-28T20:15:46.421Z","complete_time":null,"failure_reason":null}','{"name":"organizations/acme/workspaces/main/notifications/01a223cc-aef5-75d0-a0ba-b5f20280d5e3","event":"organizations/acme/workspaces/main/events/01a223cc-aef1-76fc-90f7-e9700b37d036","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"CANCELLED","attempt_count":1,"next_attempt_time":null,"replay":null,"create_time":"2026-11-28T20:15:46.421Z","complete_time":"2026-11-28T20:15:46.547Z","failure_reason":null}');
INSERT INTO "audit_log" VALUES(12,1795896946552,'development','CreateReplay','acme/main','organizations/acme/workspaces/main/subscriptions/ok/replays/01a223cc-af78-7623-95cd-08107cdcfb22','','01a223cc-af78-7622-b268-03473fa6c12c',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok/replays/01a223cc-af78-7623-95cd-08107cdcfb22","start_time":"1970-01-01T00:00:00.000Z","end_time":"2026-11-28T20:15:46.552Z","states":[],"include_unmatched":false,"max_rate_per_second":0.01,"state":"RUNNING","examined_count":0,"created_count":0,"create_time":"2026-11-28T20:15:46.552Z","complete_time":null}');
INSERT INTO "audit_log" VALUES(13,1795896946568,'development','CreateEventType','','eventTypes/hanging.one','','01a223cc-af88-75b5-9dda-81dbf7bb5aa3',NULL,'{"name":"eventTypes/hanging.one","display_name":"hanging.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:15:46.568Z"}');
INSERT INTO "audit_log" VALUES(14,1795896946573,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/hanging','','01a223cc-af8d-735d-baac-b1a9450d1510',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/hanging","uid":"01a223cc-af8d-735e-a97c-450251c39a08","display_name":"Subscription hanging","url":"http://127.0.0.1:8080/***","event_types":["hanging.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-af8d-735f-8cac-108887eb5cda","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.573Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.573Z"}');
INSERT INTO "audit_log" VALUES(15,1795896946584,'development','CreateEventType','','eventTypes/paused.one','','01a223cc-af98-7186-83b0-f143e82a3c23',NULL,'{"name":"eventTypes/paused.one","display_name":"paused.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:15:46.584Z"}');
INSERT INTO "audit_log" VALUES(16,1795896946603,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223cc-afab-74e6-9f6b-2d7b2d147d8d',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223cc-afab-74e7-8c21-fd78888abdc4","display_name":"Subscription paused","url":"http://127.0.0.1:8080/***","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-afab-74e8-9988-25bbdc4cc4db","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.603Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.603Z"}');
INSERT INTO "audit_log" VALUES(17,1795896946655,'development','UpdateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223cc-afdf-7628-a560-c7a3e627d07f','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223cc-afab-74e7-8c21-fd78888abdc4","display_name":"Subscription paused","url":"http://127.0.0.1:8080/***","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223cc-afab-74e8-9988-25bbdc4cc4db","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.603Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.603Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223cc-afab-74e7-8c21-fd78888abdc4","display_name":"Subscription paused","url":"http://127.0.0.1:8080/***","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":false,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"DISABLED","state_reason":"","signing_keys":[{"key_id":"01a223cc-afab-74e8-9988-25bbdc4cc4db","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:15:46.603Z","expire_time":null}],"create_time":"2026-11-28T20:15:46.603Z"}');
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
INSERT INTO "changes" VALUES(1,'acme/main','01a223cc-ae46-7043-8308-0a2364b5ca08','01a223cc-ae34-734e-a5fc-ca8375e1a615','PENDING',0,1795896946246,NULL,NULL,NULL,1795896946246);
INSERT INTO "changes" VALUES(2,'acme/main','01a223cc-ae46-7044-b695-420c7193c753','01a223cc-ae3a-77b4-8c17-53e7bf562c5b','PENDING',0,1795896946246,NULL,NULL,NULL,1795896946246);
INSERT INTO "changes" VALUES(3,'acme/main','01a223cc-ae46-7045-bb28-119c770b2da3','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','PENDING',0,1795896946246,NULL,NULL,NULL,1795896946246);
INSERT INTO "changes" VALUES(4,'acme/main','01a223cc-ae46-7046-af20-45bea3a60918','01a223cc-ae40-75c5-a47d-27c11a778188','PENDING',0,1795896946246,NULL,NULL,NULL,1795896946246);
INSERT INTO "changes" VALUES(5,'acme/main','01a223cc-ae46-7047-9fd8-62ecc1968946','01a223cc-ae42-7042-9800-81e164d0623b','PENDING',0,1795896946246,NULL,NULL,NULL,1795896946246);
INSERT INTO "changes" VALUES(6,'acme/main','01a223cc-ae46-7044-b695-420c7193c753','01a223cc-ae3a-77b4-8c17-53e7bf562c5b','PENDING',1,1795900927457,NULL,NULL,1,1795896946266);
INSERT INTO "changes" VALUES(7,'acme/main','01a223cc-ae46-7047-9fd8-62ecc1968946','01a223cc-ae42-7042-9800-81e164d0623b','SUCCEEDED',1,NULL,1795896946273,NULL,1,1795896946273);
INSERT INTO "changes" VALUES(8,'acme/main','01a223cc-ae46-7045-bb28-119c770b2da3','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','PENDING',1,1795896946382,NULL,NULL,1,1795896946273);
INSERT INTO "changes" VALUES(9,'acme/main','01a223cc-ae46-7046-af20-45bea3a60918','01a223cc-ae40-75c5-a47d-27c11a778188','FAILED',1,NULL,1795896946273,'GONE',1,1795896946273);
INSERT INTO "changes" VALUES(10,'acme/main','01a223cc-ae46-7043-8308-0a2364b5ca08','01a223cc-ae34-734e-a5fc-ca8375e1a615','SUCCEEDED',1,NULL,1795896946273,NULL,1,1795896946273);
INSERT INTO "changes" VALUES(11,'acme/main','01a223cc-ae46-7045-bb28-119c770b2da3','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','FAILED',2,NULL,1795896946386,'ATTEMPTS_EXHAUSTED',2,1795896946386);
INSERT INTO "changes" VALUES(12,'acme/main','01a223cc-aef5-75cf-8777-c8227a5ff35b','01a223cc-ae34-734e-a5fc-ca8375e1a615','PENDING',0,1795896946421,NULL,NULL,NULL,1795896946421);
INSERT INTO "changes" VALUES(13,'acme/main','01a223cc-aef5-75d0-a0ba-b5f20280d5e3','01a223cc-ae3a-77b4-8c17-53e7bf562c5b','PENDING',0,1795896946421,NULL,NULL,NULL,1795896946421);
INSERT INTO "changes" VALUES(14,'acme/main','01a223cc-aef5-75d1-975c-6d3fbe7216eb','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','PENDING',0,1795896946421,NULL,NULL,NULL,1795896946421);
INSERT INTO "changes" VALUES(15,'acme/main','01a223cc-aef5-75d2-b751-b0e84ac47e06','01a223cc-ae40-75c5-a47d-27c11a778188','PENDING',0,1795896946421,NULL,NULL,NULL,1795896946421);
INSERT INTO "changes" VALUES(16,'acme/main','01a223cc-aef5-75d0-a0ba-b5f20280d5e3','01a223cc-ae3a-77b4-8c17-53e7bf562c5b','PENDING',1,1795899896240,NULL,NULL,1,1795896946427);
INSERT INTO "changes" VALUES(17,'acme/main','01a223cc-aef5-75cf-8777-c8227a5ff35b','01a223cc-ae34-734e-a5fc-ca8375e1a615','SUCCEEDED',1,NULL,1795896946427,NULL,1,1795896946427);
INSERT INTO "changes" VALUES(18,'acme/main','01a223cc-aef5-75d1-975c-6d3fbe7216eb','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','PENDING',1,1795896946513,NULL,NULL,1,1795896946427);
INSERT INTO "changes" VALUES(19,'acme/main','01a223cc-aef5-75d1-975c-6d3fbe7216eb','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','FAILED',2,NULL,1795896946516,'ATTEMPTS_EXHAUSTED',2,1795896946516);
INSERT INTO "changes" VALUES(20,'acme/main','01a223cc-af71-7788-92bd-79ee70618fde','01a223cc-af62-756e-a5c0-1ecab883a02c','PENDING',0,1795896946545,NULL,NULL,NULL,1795896946545);
INSERT INTO "changes" VALUES(21,'acme/main','01a223cc-aef5-75d0-a0ba-b5f20280d5e3','01a223cc-ae3a-77b4-8c17-53e7bf562c5b','CANCELLED',1,NULL,1795896946547,NULL,NULL,1795896946547);
INSERT INTO "changes" VALUES(22,'acme/main','01a223cc-af71-7788-92bd-79ee70618fde','01a223cc-af62-756e-a5c0-1ecab883a02c','SUCCEEDED',1,NULL,1795896946554,NULL,1,1795896946554);
INSERT INTO "changes" VALUES(23,'acme/main','01a223cc-af86-723f-904e-7c7d451ed0fe','01a223cc-ae34-734e-a5fc-ca8375e1a615','PENDING',0,1795896946566,NULL,NULL,NULL,1795896946566);
INSERT INTO "changes" VALUES(24,'acme/main','01a223cc-af86-723f-904e-7c7d451ed0fe','01a223cc-ae34-734e-a5fc-ca8375e1a615','SUCCEEDED',1,NULL,1795896946573,NULL,1,1795896946573);
INSERT INTO "changes" VALUES(25,'acme/main','01a223cc-af95-77b3-b4b4-715ab2f999ab','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(26,'acme/main','01a223cc-af95-77b4-a603-a8990b83f002','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(27,'acme/main','01a223cc-af95-77b5-b415-a0c1cbaefcb4','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(28,'acme/main','01a223cc-af95-77b6-84d3-254588a2ef78','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(29,'acme/main','01a223cc-af95-77b7-a094-6d4cf678a1d0','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(30,'acme/main','01a223cc-af95-77b8-995a-8ed701b477c5','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(31,'acme/main','01a223cc-af95-77b9-b216-20688fa0c514','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(32,'acme/main','01a223cc-af95-77ba-90bd-96cbd4368cd2','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(33,'acme/main','01a223cc-af95-77bb-b1ad-fbeb66f15020','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(34,'acme/main','01a223cc-af95-77bc-bd78-2d3959757475','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(35,'acme/main','01a223cc-af95-77bd-aae7-bb2f02741aa9','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(36,'acme/main','01a223cc-af95-77be-aa00-d096a0d7ff16','01a223cc-af8d-735e-a97c-450251c39a08','PENDING',0,1795896946581,NULL,NULL,NULL,1795896946581);
INSERT INTO "changes" VALUES(37,'acme/main','01a223cc-afc0-70a9-8f7b-57e6c9069510','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(38,'acme/main','01a223cc-afc0-70aa-b4ee-4b1b5d3a8d00','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(39,'acme/main','01a223cc-afc0-70ab-8a9d-64a19a96b7b9','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(40,'acme/main','01a223cc-afc0-70ac-9c17-be6a934552c6','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(41,'acme/main','01a223cc-afc0-70ad-bf86-ece5c85de88b','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(42,'acme/main','01a223cc-afc0-70ae-a352-78dafa30c006','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(43,'acme/main','01a223cc-afc0-70af-a683-31b045480ab8','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(44,'acme/main','01a223cc-afc0-70b0-bde5-05ba8f111ef3','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(45,'acme/main','01a223cc-afc0-70b1-bef1-e102068cb199','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(46,'acme/main','01a223cc-afc0-70b2-8e54-ecf48122dc54','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(47,'acme/main','01a223cc-afc0-70b3-8eac-94ab121f79c0','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
INSERT INTO "changes" VALUES(48,'acme/main','01a223cc-afc0-70b4-8343-192cbec78c4f','01a223cc-afab-74e7-8c21-fd78888abdc4','PENDING',0,1795896946624,NULL,NULL,NULL,1795896946624);
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
INSERT INTO "event_types" VALUES('agent.status.changed','agent.status.changed','','',NULL,NULL,'[]','[]',0,1795896946209,1795896946209,1795896946209,'','REJECT');
INSERT INTO "event_types" VALUES('hanging.one','hanging.one','','',NULL,NULL,'[]','[]',0,1795896946568,1795896946568,1795896946568,'','REJECT');
INSERT INTO "event_types" VALUES('paused.one','paused.one','','',NULL,NULL,'[]','[]',0,1795896946584,1795896946584,1795896946584,'','REJECT');
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
INSERT INTO "events" VALUES('acme/main','01a223cc-ae45-75f7-b34f-e093edff5d67','agent.status.changed','agents/a-17','','{"team":"a"}','application/json',1,NULL,1795896946245,X'CDE2CA7C86760958A5C56ED21C980F7012B150A4819B274FC806EA42A4500D19',15,5,'',X'7B226669727374223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-aef1-76fc-90f7-e9700b37d036','agent.status.changed','','','{}','application/json',1,NULL,1795896946417,X'7A5DC9D412D870E6FFD53CDBC8734AF377983AFF1111FF1FE2309822DCA22149',16,4,'',X'7B227365636F6E64223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af66-70ea-b73c-da6428589a61','tidings.signing_key.rotated','tidings','organizations/acme/workspaces/main/subscriptions/ok','{}','application/json',1,1795896946533,1795896946535,X'FA732BE063F611768EE4F280DBA4C12F3741F3A11848882AFDBD53ABED0CC34A',191,1,'',X'7B22737562736372697074696F6E223A226F7267616E697A6174696F6E732F61636D652F776F726B7370616365732F6D61696E2F737562736372697074696F6E732F6F6B222C227369676E61747572655F736368656D65223A225354414E444152445F574542484F4F4B53222C226B65795F6964223A2230316132323363632D616636352D373166652D623832322D366666653164343835653436222C2274696D65223A22323032362D31312D32385432303A31353A34362E3533335A227D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-748b-a0b6-ca8c3c355208','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-748c-812f-871263b1c9e6','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-748d-a22c-cf0e243a4075','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-748e-bf98-ea208c38b8e7','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-748f-b2a7-1368ea76906e','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-7490-a653-664c6a8782dd','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-7491-be91-18b9f6b740d5','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-7492-9dfc-6272902df470','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-7493-b8c2-f2246a868037','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-7494-97d8-c2abf70ab9f8','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-7495-aca2-7853a6b6a71d','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-af91-7496-bc34-81fb26909700','hanging.one','','','{}','application/json',1,NULL,1795896946577,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb7-752a-9b7c-d01d83069c2c','paused.one','','','{}','application/json',1,NULL,1795896946615,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c0-a176-9e7ae406eb6f','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c1-ae3f-abd6a4b9d009','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c2-a135-11dd419223ac','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c3-99fc-9846ecc78e9b','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c4-a87c-fa78f355b38a','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c5-a138-21bf6d5058eb','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c6-af6f-83c05743f0ae','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c7-b23a-1cbc847425a0','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c8-a33f-1edbaafc4837','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76c9-9202-9f2c498ba8fe','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223cc-afb8-76ca-bd7b-3e667629eaf3','paused.one','','','{}','application/json',1,NULL,1795896946616,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
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
INSERT INTO "lanes" VALUES('01a223cc-ae3a-77b4-8c17-53e7bf562c5b',8,0,0,0,NULL,1795896946266,2,NULL);
INSERT INTO "lanes" VALUES('01a223cc-ae34-734e-a5fc-ca8375e1a615',8,3,0,0,NULL,NULL,0,1795896946273);
INSERT INTO "lanes" VALUES('01a223cc-ae3d-7250-b1a2-0a5b6869f6f6',8,0,0,0,NULL,1795896946273,4,NULL);
INSERT INTO "lanes" VALUES('01a223cc-ae40-75c5-a47d-27c11a778188',8,0,0,0,NULL,1795896946273,1,NULL);
INSERT INTO "lanes" VALUES('01a223cc-af62-756e-a5c0-1ecab883a02c',8,1,0,0,NULL,NULL,0,1795896946554);
CREATE TABLE management_requests (
        workspace TEXT NOT NULL,
        method TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        result TEXT NOT NULL,
        create_time BIGINT NOT NULL, fingerprint_is_keyed BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (workspace, method, request_id)
    );
INSERT INTO "management_requests" VALUES('acme/main','RotateSigningKey','rotation-1',X'3BEE1973D5C70C63E21E7EEA231EBF61818AEF269FB2DB6D7C243CBC99AA4C7E','{"subscription_uid":"01a223cc-ae34-734e-a5fc-ca8375e1a615","subscription_id":"ok","key_id":"01a223cc-af65-71fe-b822-6ffe1d485e46"}',1795896946533,0);
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
INSERT INTO "notifications" VALUES('01a223cc-ae46-7043-8308-0a2364b5ca08','acme/main','01a223cc-ae45-75f7-b34f-e093edff5d67','01a223cc-ae34-734e-a5fc-ca8375e1a615','ok','agent.status.changed','SUCCEEDED',1795897006253,0,1,NULL,1795896946253,1,0,0,1795896946246,1795896946273,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223cc-ae46-7044-b695-420c7193c753','acme/main','01a223cc-ae45-75f7-b34f-e093edff5d67','01a223cc-ae3a-77b4-8c17-53e7bf562c5b','failing','agent.status.changed','WAITING',1795900927457,0,1,NULL,1795896946253,1,1,0,1795896946246,NULL,NULL,NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223cc-ae46-7045-bb28-119c770b2da3','acme/main','01a223cc-ae45-75f7-b34f-e093edff5d67','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','exhausted','agent.status.changed','FAILED',1795897006382,0,2,NULL,1795896946382,2,1,0,1795896946246,1795896946386,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223cc-ae46-7046-af20-45bea3a60918','acme/main','01a223cc-ae45-75f7-b34f-e093edff5d67','01a223cc-ae40-75c5-a47d-27c11a778188','gone','agent.status.changed','FAILED',1795897006253,0,1,NULL,1795896946253,1,0,0,1795896946246,1795896946273,'GONE',NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223cc-ae46-7047-9fd8-62ecc1968946','acme/main','01a223cc-ae45-75f7-b34f-e093edff5d67','01a223cc-ae42-7042-9800-81e164d0623b','deleted','agent.status.changed','SUCCEEDED',1795897006253,0,1,NULL,1795896946253,1,0,0,1795896946246,1795896946273,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223cc-aef5-75cf-8777-c8227a5ff35b','acme/main','01a223cc-aef1-76fc-90f7-e9700b37d036','01a223cc-ae34-734e-a5fc-ca8375e1a615','ok','agent.status.changed','SUCCEEDED',1795897006422,0,1,NULL,1795896946422,1,0,0,1795896946421,1795896946427,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223cc-aef5-75d0-a0ba-b5f20280d5e3','acme/main','01a223cc-aef1-76fc-90f7-e9700b37d036','01a223cc-ae3a-77b4-8c17-53e7bf562c5b','failing','agent.status.changed','CANCELLED',1795899896240,0,2,NULL,1795896946422,1,1,0,1795896946421,1795896946547,NULL,NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223cc-aef5-75d1-975c-6d3fbe7216eb','acme/main','01a223cc-aef1-76fc-90f7-e9700b37d036','01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','exhausted','agent.status.changed','FAILED',1795897006513,0,2,NULL,1795896946513,2,1,0,1795896946421,1795896946516,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223cc-aef5-75d2-b751-b0e84ac47e06','acme/main','01a223cc-aef1-76fc-90f7-e9700b37d036','01a223cc-ae40-75c5-a47d-27c11a778188','gone','agent.status.changed','WAITING',1797106546422,1,0,NULL,NULL,0,0,0,1795896946421,NULL,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223cc-af71-7788-92bd-79ee70618fde','acme/main','01a223cc-af66-70ea-b73c-da6428589a61','01a223cc-af62-756e-a5c0-1ecab883a02c','listener','tidings.signing_key.rotated','SUCCEEDED',1795897006547,0,1,NULL,1795896946547,1,0,0,1795896946545,1795896946554,NULL,NULL,NULL,0,191);
INSERT INTO "notifications" VALUES('01a223cc-af86-723f-904e-7c7d451ed0fe','acme/main','01a223cc-ae45-75f7-b34f-e093edff5d67','01a223cc-ae34-734e-a5fc-ca8375e1a615','ok','agent.status.changed','SUCCEEDED',1795897006568,0,1,NULL,1795896946568,1,0,0,1795896946566,1795896946573,NULL,'01a223cc-af78-7623-95cd-08107cdcfb22',NULL,1,15);
INSERT INTO "notifications" VALUES('01a223cc-af95-77b3-b4b4-715ab2f999ab','acme/main','01a223cc-af91-748b-a0b6-ca8c3c355208','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77b4-a603-a8990b83f002','acme/main','01a223cc-af91-748c-812f-871263b1c9e6','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77b5-b415-a0c1cbaefcb4','acme/main','01a223cc-af91-748d-a22c-cf0e243a4075','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77b6-84d3-254588a2ef78','acme/main','01a223cc-af91-748e-bf98-ea208c38b8e7','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77b7-a094-6d4cf678a1d0','acme/main','01a223cc-af91-748f-b2a7-1368ea76906e','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77b8-995a-8ed701b477c5','acme/main','01a223cc-af91-7490-a653-664c6a8782dd','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77b9-b216-20688fa0c514','acme/main','01a223cc-af91-7491-be91-18b9f6b740d5','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77ba-90bd-96cbd4368cd2','acme/main','01a223cc-af91-7492-9dfc-6272902df470','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','WAITING',1795897006582,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946582,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77bb-b1ad-fbeb66f15020','acme/main','01a223cc-af91-7493-b8c2-f2246a868037','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','READY',1795896946581,0,0,NULL,NULL,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77bc-bd78-2d3959757475','acme/main','01a223cc-af91-7494-97d8-c2abf70ab9f8','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','READY',1795896946581,0,0,NULL,NULL,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77bd-aae7-bb2f02741aa9','acme/main','01a223cc-af91-7495-aca2-7853a6b6a71d','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','READY',1795896946581,0,0,NULL,NULL,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-af95-77be-aa00-d096a0d7ff16','acme/main','01a223cc-af91-7496-bc34-81fb26909700','01a223cc-af8d-735e-a97c-450251c39a08','hanging','hanging.one','READY',1795896946581,0,0,NULL,NULL,0,0,0,1795896946581,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70a9-8f7b-57e6c9069510','acme/main','01a223cc-afb7-752a-9b7c-d01d83069c2c','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70aa-b4ee-4b1b5d3a8d00','acme/main','01a223cc-afb8-76c0-a176-9e7ae406eb6f','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70ab-8a9d-64a19a96b7b9','acme/main','01a223cc-afb8-76c1-ae3f-abd6a4b9d009','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70ac-9c17-be6a934552c6','acme/main','01a223cc-afb8-76c2-a135-11dd419223ac','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70ad-bf86-ece5c85de88b','acme/main','01a223cc-afb8-76c3-99fc-9846ecc78e9b','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70ae-a352-78dafa30c006','acme/main','01a223cc-afb8-76c4-a87c-fa78f355b38a','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70af-a683-31b045480ab8','acme/main','01a223cc-afb8-76c5-a138-21bf6d5058eb','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70b0-bde5-05ba8f111ef3','acme/main','01a223cc-afb8-76c6-af6f-83c05743f0ae','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1795897006628,0,1,'01a223cc-ad9a-77c5-89f0-4c57d18bb4c8',1795896946628,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70b1-bef1-e102068cb199','acme/main','01a223cc-afb8-76c7-b23a-1cbc847425a0','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1797106547209,1,0,NULL,NULL,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70b2-8e54-ecf48122dc54','acme/main','01a223cc-afb8-76c8-a33f-1edbaafc4837','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1797106547209,1,0,NULL,NULL,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70b3-8eac-94ab121f79c0','acme/main','01a223cc-afb8-76c9-9202-9f2c498ba8fe','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1797106547209,1,0,NULL,NULL,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223cc-afc0-70b4-8343-192cbec78c4f','acme/main','01a223cc-afb8-76ca-bd7b-3e667629eaf3','01a223cc-afab-74e7-8c21-fd78888abdc4','paused','paused.one','WAITING',1797106547209,1,0,NULL,NULL,0,0,0,1795896946624,NULL,NULL,NULL,NULL,0,2);
CREATE TABLE publish_requests (
        workspace TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        event_id TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, request_id)
    );
INSERT INTO "publish_requests" VALUES('acme/main','request-1',X'006D83D1450CCB7E5EA275CE9BFB4FE3DCFB0C5079B70584440CDC1CE8792FC9','01a223cc-ae45-75f7-b34f-e093edff5d67',1795896946245);
INSERT INTO "publish_requests" VALUES('acme/main','01a223cc-af66-70ea-b73c-da6428589a61',X'3190911BF32BA6503047922356C53CF9C1600994DC30D895A4B3AA33B4AC8A6D','01a223cc-af66-70ea-b73c-da6428589a61',1795896946535);
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
INSERT INTO "replays" VALUES('01a223cc-af78-7623-95cd-08107cdcfb22','acme/main','01a223cc-ae34-734e-a5fc-ca8375e1a615','ok',0,1795896946552,'[]',0,0.01,'RUNNING',1,1,1795896946245,'01a223cc-ae45-75f7-b34f-e093edff5d67',1795897046566,1795896946552,NULL);
CREATE TABLE sealing_keys (
        key_id TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        proof TEXT NOT NULL,
        create_time BIGINT NOT NULL
    );
CREATE TABLE signing_keys (
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        key_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT, scheme TEXT NOT NULL DEFAULT 'STANDARD_WEBHOOKS', sealed_with TEXT,
        PRIMARY KEY (subscription_uid, key_id)
    );
INSERT INTO "signing_keys" VALUES('01a223cc-ae34-734e-a5fc-ca8375e1a615','01a223cc-ae34-734f-8c3a-0bd634766563','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795896946228,1795983346533,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223cc-ae3a-77b4-8c17-53e7bf562c5b','01a223cc-ae3a-77b5-b5b8-b69744e983ba','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795896946234,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','01a223cc-ae3d-7251-b420-7ed986e4e938','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795896946237,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223cc-ae40-75c5-a47d-27c11a778188','01a223cc-ae40-75c6-a41d-e19d1e2169e0','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795896946240,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223cc-af62-756e-a5c0-1ecab883a02c','01a223cc-af62-756f-a78d-9b314d89cb15','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795896946530,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223cc-ae34-734e-a5fc-ca8375e1a615','01a223cc-af65-71fe-b822-6ffe1d485e46','whsec_5wTbkYs+D5UltURBqqhR/wlVJh3b+qMWEuCxDU91Oq0=',1795896946533,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223cc-af8d-735e-a97c-450251c39a08','01a223cc-af8d-735f-8cac-108887eb5cda','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795896946573,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223cc-afab-74e7-8c21-fd78888abdc4','01a223cc-afab-74e8-9988-25bbdc4cc4db','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795896946603,NULL,'STANDARD_WEBHOOKS',NULL);
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
INSERT INTO "subscriptions" VALUES('01a223cc-ae34-734e-a5fc-ca8375e1a615','acme/main','ok','Subscription ok','http://127.0.0.1:8080/ok','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795896946228,1795896946533,NULL,9,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223cc-ae3a-77b4-8c17-53e7bf562c5b','acme/main','failing','Subscription failing','http://127.0.0.1:8080/fails','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}','{"delays_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795896946234,1795896946234,NULL,2,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223cc-ae3d-7250-b1a2-0a5b6869f6f6','acme/main','exhausted','Subscription exhausted','http://127.0.0.1:8080/fails','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}','{"delays_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795896946237,1795896946237,NULL,3,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223cc-ae40-75c5-a47d-27c11a778188','acme/main','gone','Subscription gone','http://127.0.0.1:8080/gone','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795896946240,1795896946273,NULL,6,NULL,'','',0,NULL,NULL,1795896946273,'GONE',0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223cc-ae42-7042-9800-81e164d0623b','acme/main','deleted','Subscription deleted','http://127.0.0.1:8080/ok','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795896946242,1795896946242,1795896946414,7,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223cc-af62-756e-a5c0-1ecab883a02c','acme/main','listener','Subscription listener','http://127.0.0.1:8080/ok','["tidings.*"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795896946530,1795896946530,NULL,8,NULL,'','event.type.startsWith(''tidings.'')',0,'X-API-Key','an-api-key',NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223cc-af8d-735e-a97c-450251c39a08','acme/main','hanging','Subscription hanging','http://127.0.0.1:8080/hangs','["hanging.one"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795896946573,1795896946573,NULL,10,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223cc-afab-74e7-8c21-fd78888abdc4','acme/main','paused','Subscription paused','http://127.0.0.1:8080/hangs','["paused.one"]','{}',0,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795896946603,1795896946655,NULL,12,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
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
CREATE INDEX subscriptions_with_filter ON subscriptions (workspace) WHERE filter <> '' AND delete_time IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_log',17);
INSERT INTO "sqlite_sequence" VALUES('changes',48);
COMMIT;
