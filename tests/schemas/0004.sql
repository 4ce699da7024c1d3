-- agent.status.changed and others, by 0004_credentials_sealing_audit, at 1795902078101
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tidings','0001_first_tables','2026-11-28 21:41:16.790786+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'tidings','0002_filters_rotation_schemas_replays_changes','2026-11-28 21:41:16.806780+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'tidings','0003_lanes_retention','2026-11-28 21:41:16.814144+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'tidings','0004_credentials_sealing_audit','2026-11-28 21:41:16.822089+00:00');
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
INSERT INTO "attempts" VALUES('01a2241a-f866-761e-9c79-e0c0cfae2b62',1,'SUCCEEDED',1795902077036,11,204,'[["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:39895','["01a2241a-f854-7147-bc61-d727bcab9e10"]');
INSERT INTO "attempts" VALUES('01a2241a-f866-761f-9fdf-e177640d4609',1,'REJECTED',1795902077040,7,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:39895','["01a2241a-f859-7034-abea-3658ddb5186c"]');
INSERT INTO "attempts" VALUES('01a2241a-f866-7622-bf70-8d7821d08dab',1,'SUCCEEDED',1795902077041,7,204,'[["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:39895','["01a2241a-f861-7312-85ec-66f5b8098ba0"]');
INSERT INTO "attempts" VALUES('01a2241a-f866-7621-ad39-811f1bc87237',1,'GONE',1795902077041,7,410,'[["Content-Length","0"],["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'the receiver answered 410: it wants nothing more','127.0.0.1:39895','["01a2241a-f85e-70a3-b8ec-949232b2199c"]');
INSERT INTO "attempts" VALUES('01a2241a-f866-7620-a9ac-22c204a8a755',1,'REJECTED',1795902077041,7,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:39895','["01a2241a-f85c-762c-ad46-2c8827f549ed"]');
INSERT INTO "attempts" VALUES('01a2241a-f866-7620-a9ac-22c204a8a755',2,'REJECTED',1795902077168,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:39895','["01a2241a-f85c-762c-ad46-2c8827f549ed"]');
INSERT INTO "attempts" VALUES('01a2241a-f90a-706e-a29a-1e3ebe1e097c',1,'SUCCEEDED',1795902077200,2,204,'[["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:39895','["01a2241a-f854-7147-bc61-d727bcab9e10"]');
INSERT INTO "attempts" VALUES('01a2241a-f90a-706f-bb17-33986c5397b2',1,'REJECTED',1795902077200,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:39895','["01a2241a-f859-7034-abea-3658ddb5186c"]');
INSERT INTO "attempts" VALUES('01a2241a-f90a-7070-b5dd-b5d104c33f66',1,'REJECTED',1795902077200,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:39895','["01a2241a-f85c-762c-ad46-2c8827f549ed"]');
INSERT INTO "attempts" VALUES('01a2241a-f90a-7070-b5dd-b5d104c33f66',2,'REJECTED',1795902077321,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:39895','["01a2241a-f85c-762c-ad46-2c8827f549ed"]');
INSERT INTO "attempts" VALUES('01a2241a-f9b7-70b8-a736-3625b4e125ec',1,'SUCCEEDED',1795902077385,1,204,'[["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:39895','["01a2241a-f9a9-72ba-b23a-787db193a020"]');
INSERT INTO "attempts" VALUES('01a2241a-f9d7-73ea-94dc-c558ec168617',1,'SUCCEEDED',1795902077405,1,204,'[["Date","Sat, 28 Nov 2026 21:41:17 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:39895','["01a2241a-f9ae-7311-8e89-0798e98af38f","01a2241a-f854-7147-bc61-d727bcab9e10"]');
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
INSERT INTO "audit_log" VALUES(1,1795902077008,'development','CreateEventType','','eventTypes/agent.status.changed','','01a2241a-f850-76fd-9ccb-01986512f754',NULL,'{"name":"eventTypes/agent.status.changed","display_name":"agent.status.changed","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T21:41:17.008Z"}');
INSERT INTO "audit_log" VALUES(2,1795902077012,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/ok','','01a2241a-f854-7145-ab55-23c72c4dcea3',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a2241a-f854-7146-9126-868ed4f12732","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f854-7147-bc61-d727bcab9e10","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.012Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.012Z"}');
INSERT INTO "audit_log" VALUES(3,1795902077017,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/failing','','01a2241a-f858-71da-bf1e-6ada2bb8e90c',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/failing","uid":"01a2241a-f859-7033-bb9c-2158f13f4bb1","display_name":"Subscription failing","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f859-7034-abea-3658ddb5186c","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.017Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.017Z"}');
INSERT INTO "audit_log" VALUES(4,1795902077020,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/exhausted','','01a2241a-f85b-712e-871b-cd4e3a756475',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/exhausted","uid":"01a2241a-f85c-762b-b611-a3ed7dfc2ac5","display_name":"Subscription exhausted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f85c-762c-ad46-2c8827f549ed","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.020Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.020Z"}');
INSERT INTO "audit_log" VALUES(5,1795902077022,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','01a2241a-f85e-70a1-9c97-b8846dbea0b7',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a2241a-f85e-70a2-b885-28dabe6812d9","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f85e-70a3-b8ec-949232b2199c","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.022Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.022Z"}');
INSERT INTO "audit_log" VALUES(6,1795902077025,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a2241a-f861-7310-87f5-4706278e1904',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a2241a-f861-7311-883e-f36f5a3dfeee","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f861-7312-85ec-66f5b8098ba0","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.025Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.025Z"}');
INSERT INTO "audit_log" VALUES(7,1795902077048,'server','SuspendSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a2241a-f85e-70a2-b885-28dabe6812d9","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f85e-70a3-b8ec-949232b2199c","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.022Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.022Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a2241a-f85e-70a2-b885-28dabe6812d9","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"SUSPENDED","state_reason":"GONE","signing_keys":[{"key_id":"01a2241a-f85e-70a3-b8ec-949232b2199c","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.022Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.022Z"}');
INSERT INTO "audit_log" VALUES(8,1795902077186,'development','DeleteSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a2241a-f902-7067-b26a-ab0ea828c1e2','{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a2241a-f861-7311-883e-f36f5a3dfeee","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f861-7312-85ec-66f5b8098ba0","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.025Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.025Z"}',NULL);
INSERT INTO "audit_log" VALUES(9,1795902077353,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/listener','','01a2241a-f9a4-7228-a82c-9930d302349d',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/listener","uid":"01a2241a-f9a9-72b9-8bd3-dc13b23a5ddd","display_name":"Subscription listener","url":"http://127.0.0.1:8080/[redacted]","event_types":["tidings.*"],"attribute_filters":{},"filter":"event.type.startsWith(''tidings.'')","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":{"header":"X-API-Key","value":"[redacted]"},"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f9a9-72ba-b23a-787db193a020","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.353Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.353Z"}');
INSERT INTO "audit_log" VALUES(10,1795902077357,'development','RotateSigningKey','acme/main','organizations/acme/workspaces/main/subscriptions/ok','rotation-1','01a2241a-f9ad-76c1-8d45-544961feac03','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a2241a-f854-7146-9126-868ed4f12732","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f854-7147-bc61-d727bcab9e10","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.012Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.012Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a2241a-f854-7146-9126-868ed4f12732","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f9ae-7311-8e89-0798e98af38f","scheme":"STANDARD_WEBHOOKS","hint":"4cY=","create_time":"2026-11-28T21:41:17.357Z","expire_time":null},{"key_id":"01a2241a-f854-7147-bc61-d727bcab9e10","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.012Z","expire_time":"2026-11-29T21:41:17.357Z"}],"create_time":"2026-11-28T21:41:17.012Z"}');
INSERT INTO "audit_log" VALUES(11,1795902077367,'development','CancelNotification','acme/main','organizations/acme/workspaces/main/notifications/01a2241a-f90a-706f-bb17-33986c5397b2','','01a2241a-f9b7-70b7-94ff-1881f7cedaf6','{"name":"organizations/acme/workspaces/main/notifications/01a2241a-f90a-706f-bb17-33986c5397b2","event":"organizations/acme/workspaces/main/events/01a2241a-f907-7207-8d2a-a16db74c7bde","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"PENDING","attempt_count":1,"next_attempt_time":"2026-11-28T22:42:41.854Z","replay":null,"create_time":"2026-11-28T21:41:17.194Z","complete_time":null,"failure_reason":null}','{"name":"organizations/acme/workspaces/main/notifications/01a2241a-f90a-706f-bb17-33986c5397b2","event":"organizations/acme/workspaces/main/events/01a2241a-f907-7207-8d2a-a16db74c7bde","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"CANCELLED","attempt_count":1,"next_attempt_time":null,"replay":null,"create_time":"2026-11-28T21:41:17.194Z","complete_time":"2026-11-28T21:41:17.367Z","failure_reason":null}');
INSERT INTO "audit_log" VALUES(12,1795902077381,'development','CreateReplay','acme/main','organizations/acme/workspaces/main/subscriptions/ok/replays/01a2241a-f9c5-7331-87b6-908080970f64','','01a2241a-f9c5-7330-8c86-098f433febdb',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok/replays/01a2241a-f9c5-7331-87b6-908080970f64","start_time":"1970-01-01T00:00:00.000Z","end_time":"2026-11-28T21:41:17.381Z","states":[],"include_unmatched":false,"max_rate_per_second":0.01,"state":"RUNNING","examined_count":0,"created_count":0,"create_time":"2026-11-28T21:41:17.381Z","complete_time":null}');
INSERT INTO "audit_log" VALUES(13,1795902077400,'development','CreateEventType','','eventTypes/hanging.one','','01a2241a-f9d8-7420-aca4-0cab78975050',NULL,'{"name":"eventTypes/hanging.one","display_name":"hanging.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T21:41:17.400Z"}');
INSERT INTO "audit_log" VALUES(14,1795902077404,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/hanging','','01a2241a-f9dc-7572-9e1f-b1084941a9c9',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/hanging","uid":"01a2241a-f9dc-7573-a3d8-780956f3d069","display_name":"Subscription hanging","url":"http://127.0.0.1:8080/[redacted]","event_types":["hanging.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-f9dd-75ef-a617-d2acabdd9769","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.404Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.404Z"}');
INSERT INTO "audit_log" VALUES(15,1795902077433,'development','CreateEventType','','eventTypes/paused.one','','01a2241a-f9f9-77e8-9e94-ea1c5b7e0f34',NULL,'{"name":"eventTypes/paused.one","display_name":"paused.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T21:41:17.433Z"}');
INSERT INTO "audit_log" VALUES(16,1795902077443,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a2241a-fa03-7187-aac4-88a4917aa147',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a2241a-fa03-7188-9e24-40dedaf1e7ca","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-fa03-7189-9e51-d9a28fc5c3ff","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.443Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.443Z"}');
INSERT INTO "audit_log" VALUES(17,1795902077482,'development','UpdateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a2241a-fa2a-71fc-bb5a-8915f24a0157','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a2241a-fa03-7188-9e24-40dedaf1e7ca","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a2241a-fa03-7189-9e51-d9a28fc5c3ff","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.443Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.443Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a2241a-fa03-7188-9e24-40dedaf1e7ca","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":false,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"DISABLED","state_reason":"","signing_keys":[{"key_id":"01a2241a-fa03-7189-9e51-d9a28fc5c3ff","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T21:41:17.443Z","expire_time":null}],"create_time":"2026-11-28T21:41:17.443Z"}');
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
INSERT INTO "changes" VALUES(1,'acme/main','01a2241a-f866-761e-9c79-e0c0cfae2b62','01a2241a-f854-7146-9126-868ed4f12732','PENDING',0,1795902077030,NULL,NULL,NULL,1795902077030);
INSERT INTO "changes" VALUES(2,'acme/main','01a2241a-f866-761f-9fdf-e177640d4609','01a2241a-f859-7033-bb9c-2158f13f4bb1','PENDING',0,1795902077030,NULL,NULL,NULL,1795902077030);
INSERT INTO "changes" VALUES(3,'acme/main','01a2241a-f866-7620-a9ac-22c204a8a755','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','PENDING',0,1795902077030,NULL,NULL,NULL,1795902077030);
INSERT INTO "changes" VALUES(4,'acme/main','01a2241a-f866-7621-ad39-811f1bc87237','01a2241a-f85e-70a2-b885-28dabe6812d9','PENDING',0,1795902077030,NULL,NULL,NULL,1795902077030);
INSERT INTO "changes" VALUES(5,'acme/main','01a2241a-f866-7622-bf70-8d7821d08dab','01a2241a-f861-7311-883e-f36f5a3dfeee','PENDING',0,1795902077030,NULL,NULL,NULL,1795902077030);
INSERT INTO "changes" VALUES(6,'acme/main','01a2241a-f866-761e-9c79-e0c0cfae2b62','01a2241a-f854-7146-9126-868ed4f12732','SUCCEEDED',1,NULL,1795902077048,NULL,1,1795902077048);
INSERT INTO "changes" VALUES(7,'acme/main','01a2241a-f866-761f-9fdf-e177640d4609','01a2241a-f859-7033-bb9c-2158f13f4bb1','PENDING',1,1795906184849,NULL,NULL,1,1795902077048);
INSERT INTO "changes" VALUES(8,'acme/main','01a2241a-f866-7622-bf70-8d7821d08dab','01a2241a-f861-7311-883e-f36f5a3dfeee','SUCCEEDED',1,NULL,1795902077048,NULL,1,1795902077048);
INSERT INTO "changes" VALUES(9,'acme/main','01a2241a-f866-7621-ad39-811f1bc87237','01a2241a-f85e-70a2-b885-28dabe6812d9','FAILED',1,NULL,1795902077048,'GONE',1,1795902077048);
INSERT INTO "changes" VALUES(10,'acme/main','01a2241a-f866-7620-a9ac-22c204a8a755','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','PENDING',1,1795902077166,NULL,NULL,1,1795902077048);
INSERT INTO "changes" VALUES(11,'acme/main','01a2241a-f866-7620-a9ac-22c204a8a755','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','FAILED',2,NULL,1795902077170,'ATTEMPTS_EXHAUSTED',2,1795902077170);
INSERT INTO "changes" VALUES(12,'acme/main','01a2241a-f90a-706e-a29a-1e3ebe1e097c','01a2241a-f854-7146-9126-868ed4f12732','PENDING',0,1795902077194,NULL,NULL,NULL,1795902077194);
INSERT INTO "changes" VALUES(13,'acme/main','01a2241a-f90a-706f-bb17-33986c5397b2','01a2241a-f859-7033-bb9c-2158f13f4bb1','PENDING',0,1795902077194,NULL,NULL,NULL,1795902077194);
INSERT INTO "changes" VALUES(14,'acme/main','01a2241a-f90a-7070-b5dd-b5d104c33f66','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','PENDING',0,1795902077194,NULL,NULL,NULL,1795902077194);
INSERT INTO "changes" VALUES(15,'acme/main','01a2241a-f90a-7071-8d8d-740cc2035b4f','01a2241a-f85e-70a2-b885-28dabe6812d9','PENDING',0,1795902077194,NULL,NULL,NULL,1795902077194);
INSERT INTO "changes" VALUES(16,'acme/main','01a2241a-f90a-706e-a29a-1e3ebe1e097c','01a2241a-f854-7146-9126-868ed4f12732','SUCCEEDED',1,NULL,1795902077201,NULL,1,1795902077201);
INSERT INTO "changes" VALUES(17,'acme/main','01a2241a-f90a-706f-bb17-33986c5397b2','01a2241a-f859-7033-bb9c-2158f13f4bb1','PENDING',1,1795905761854,NULL,NULL,1,1795902077203);
INSERT INTO "changes" VALUES(18,'acme/main','01a2241a-f90a-7070-b5dd-b5d104c33f66','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','PENDING',1,1795902077319,NULL,NULL,1,1795902077203);
INSERT INTO "changes" VALUES(19,'acme/main','01a2241a-f90a-7070-b5dd-b5d104c33f66','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','FAILED',2,NULL,1795902077322,'ATTEMPTS_EXHAUSTED',2,1795902077322);
INSERT INTO "changes" VALUES(20,'acme/main','01a2241a-f9b7-70b8-a736-3625b4e125ec','01a2241a-f9a9-72b9-8bd3-dc13b23a5ddd','PENDING',0,1795902077367,NULL,NULL,NULL,1795902077367);
INSERT INTO "changes" VALUES(21,'acme/main','01a2241a-f90a-706f-bb17-33986c5397b2','01a2241a-f859-7033-bb9c-2158f13f4bb1','CANCELLED',1,NULL,1795902077367,NULL,NULL,1795902077367);
INSERT INTO "changes" VALUES(22,'acme/main','01a2241a-f9b7-70b8-a736-3625b4e125ec','01a2241a-f9a9-72b9-8bd3-dc13b23a5ddd','SUCCEEDED',1,NULL,1795902077386,NULL,1,1795902077386);
INSERT INTO "changes" VALUES(23,'acme/main','01a2241a-f9d7-73ea-94dc-c558ec168617','01a2241a-f854-7146-9126-868ed4f12732','PENDING',0,1795902077399,NULL,NULL,NULL,1795902077399);
INSERT INTO "changes" VALUES(24,'acme/main','01a2241a-f9d7-73ea-94dc-c558ec168617','01a2241a-f854-7146-9126-868ed4f12732','SUCCEEDED',1,NULL,1795902077406,NULL,1,1795902077406);
INSERT INTO "changes" VALUES(25,'acme/main','01a2241a-f9ea-717a-9f1b-2f38af5ecf2c','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(26,'acme/main','01a2241a-f9ea-717b-8504-e9fc7eda8edc','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(27,'acme/main','01a2241a-f9ea-717c-ac3a-a4838647dd60','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(28,'acme/main','01a2241a-f9ea-717d-9670-5185b7886f47','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(29,'acme/main','01a2241a-f9ea-717e-b8aa-23e67c1a9549','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(30,'acme/main','01a2241a-f9ea-717f-bfe9-f4cff4a8c780','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(31,'acme/main','01a2241a-f9ea-7180-8b23-80a89e36c0a9','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(32,'acme/main','01a2241a-f9ea-7181-88f0-c0736a35177f','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(33,'acme/main','01a2241a-f9ea-7182-acf1-02db2b4aa7ec','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(34,'acme/main','01a2241a-f9ea-7183-bd53-d748cfd7f6cb','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(35,'acme/main','01a2241a-f9ea-7184-8eae-7892ef650004','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(36,'acme/main','01a2241a-f9ea-7185-ac22-46576fb0b6fb','01a2241a-f9dc-7573-a3d8-780956f3d069','PENDING',0,1795902077418,NULL,NULL,NULL,1795902077418);
INSERT INTO "changes" VALUES(37,'acme/main','01a2241a-fa0e-7587-acb7-2c1f67613466','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(38,'acme/main','01a2241a-fa0e-7588-aa29-31323d9b0042','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(39,'acme/main','01a2241a-fa0e-7589-bb6d-c9c51631fb46','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(40,'acme/main','01a2241a-fa0e-758a-b360-c9c3d11b6582','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(41,'acme/main','01a2241a-fa0e-758b-8ace-fccbbdd5b776','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(42,'acme/main','01a2241a-fa0e-758c-9756-eaf3f2487547','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(43,'acme/main','01a2241a-fa0e-758d-95df-70ff1b53903d','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(44,'acme/main','01a2241a-fa0e-758e-b55e-3cdbcf33bdd1','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(45,'acme/main','01a2241a-fa0e-758f-adad-2994832a57e2','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(46,'acme/main','01a2241a-fa0e-7590-b660-1fc50e4db61c','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(47,'acme/main','01a2241a-fa0e-7591-a017-e1f56e44599c','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
INSERT INTO "changes" VALUES(48,'acme/main','01a2241a-fa0e-7592-b943-3edc0d7ef03b','01a2241a-fa03-7188-9e24-40dedaf1e7ca','PENDING',0,1795902077454,NULL,NULL,NULL,1795902077454);
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
INSERT INTO "database_secrets" VALUES('fingerprints','eHJyjoKbgXv23hBDPd+AHJ+x5m5botd/gDfl8N0Sut6dvjXFMwwh3DnuAhMwWyWdg+PnjorhoAghorbmDKxBk8E4HW+CXVq8','first');
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
INSERT INTO "event_types" VALUES('agent.status.changed','agent.status.changed','','',NULL,NULL,'[]','[]',0,1795902077008,1795902077008,1795902077008,'','REJECT');
INSERT INTO "event_types" VALUES('hanging.one','hanging.one','','',NULL,NULL,'[]','[]',0,1795902077400,1795902077400,1795902077400,'','REJECT');
INSERT INTO "event_types" VALUES('paused.one','paused.one','','',NULL,NULL,'[]','[]',0,1795902077433,1795902077433,1795902077433,'','REJECT');
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
INSERT INTO "events" VALUES('acme/main','01a2241a-f864-7603-8550-97bce56fcfb3','agent.status.changed','agents/a-17','','{"team":"a"}','application/json',1,NULL,1795902077028,X'CDE2CA7C86760958A5C56ED21C980F7012B150A4819B274FC806EA42A4500D19',15,5,'',X'7B226669727374223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f907-7207-8d2a-a16db74c7bde','agent.status.changed','','','{}','application/json',1,NULL,1795902077191,X'7A5DC9D412D870E6FFD53CDBC8734AF377983AFF1111FF1FE2309822DCA22149',16,4,'',X'7B227365636F6E64223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9ae-7312-82bf-ec81849a5c37','tidings.signing_key.rotated','tidings','organizations/acme/workspaces/main/subscriptions/ok','{}','application/json',1,1795902077357,1795902077361,X'820FE2054187E3DBE1A96780C9DB5305AD7225531329C610116138B0A963D21F',191,1,'',X'7B22737562736372697074696F6E223A226F7267616E697A6174696F6E732F61636D652F776F726B7370616365732F6D61696E2F737562736372697074696F6E732F6F6B222C227369676E61747572655F736368656D65223A225354414E444152445F574542484F4F4B53222C226B65795F6964223A2230316132323431612D663961652D373331312D386538392D303739386539386166333866222C2274696D65223A22323032362D31312D32385432313A34313A31372E3335375A227D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c2-9260-5919998afeb7','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c3-8fc8-26c5898644e1','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c4-beaf-de1f3e5be0c4','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c5-b049-800ffc9bdd4a','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c6-baf7-15bbe180a926','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c7-b57b-9cfb80e22595','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c8-8cf5-fbbe07de60da','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74c9-9748-157638e9c9a3','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74ca-a256-bf8a92151571','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74cb-b3d2-d55843b4b8e5','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74cc-9377-01711ae3e299','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-f9e3-74cd-823e-b9a76a6ac8ca','hanging.one','','','{}','application/json',1,NULL,1795902077411,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-7113-909b-1cd681f9e161','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-7114-97d3-27be00cfa2c5','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-7115-95e7-3b0d2372a9db','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-7116-90b8-ea92eeeb4afa','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-7117-924f-e6f1632a7dba','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-7118-8465-bd497cc8439f','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-7119-9c85-4e0e4962bd0d','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-711a-8362-1d70bfe15688','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-711b-be15-31a9b32828bc','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-711c-8288-459eb8a2f959','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-711d-9ac7-c916375620be','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a2241a-fa09-711e-b4e9-255ac6c57d40','paused.one','','','{}','application/json',1,NULL,1795902077449,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
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
INSERT INTO "lanes" VALUES('01a2241a-f854-7146-9126-868ed4f12732',8,3,0,0,NULL,NULL,0,1795902077048);
INSERT INTO "lanes" VALUES('01a2241a-f859-7033-bb9c-2158f13f4bb1',8,0,0,0,NULL,1795902077048,2,NULL);
INSERT INTO "lanes" VALUES('01a2241a-f85c-762b-b611-a3ed7dfc2ac5',8,0,0,0,NULL,1795902077048,4,NULL);
INSERT INTO "lanes" VALUES('01a2241a-f85e-70a2-b885-28dabe6812d9',8,0,0,0,NULL,1795902077048,1,NULL);
INSERT INTO "lanes" VALUES('01a2241a-f9a9-72b9-8bd3-dc13b23a5ddd',8,1,0,0,NULL,NULL,0,1795902077386);
CREATE TABLE management_requests (
        workspace TEXT NOT NULL,
        method TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        result TEXT NOT NULL,
        create_time BIGINT NOT NULL, fingerprint_is_keyed BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (workspace, method, request_id)
    );
INSERT INTO "management_requests" VALUES('acme/main','RotateSigningKey','rotation-1',X'A737CF73C6E07E853E5C72BF8CE93F65C1B6B7213C97CF4B265639F0E068B96E','{"subscription_uid":"01a2241a-f854-7146-9126-868ed4f12732","subscription_id":"ok","key_id":"01a2241a-f9ae-7311-8e89-0798e98af38f"}',1795902077357,1);
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
INSERT INTO "notifications" VALUES('01a2241a-f866-761e-9c79-e0c0cfae2b62','acme/main','01a2241a-f864-7603-8550-97bce56fcfb3','01a2241a-f854-7146-9126-868ed4f12732','ok','agent.status.changed','SUCCEEDED',1795902137032,0,1,NULL,1795902077032,1,0,0,1795902077030,1795902077048,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a2241a-f866-761f-9fdf-e177640d4609','acme/main','01a2241a-f864-7603-8550-97bce56fcfb3','01a2241a-f859-7033-bb9c-2158f13f4bb1','failing','agent.status.changed','WAITING',1795906184849,0,1,NULL,1795902077032,1,1,0,1795902077030,NULL,NULL,NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a2241a-f866-7620-a9ac-22c204a8a755','acme/main','01a2241a-f864-7603-8550-97bce56fcfb3','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','exhausted','agent.status.changed','FAILED',1795902137166,0,2,NULL,1795902077166,2,1,0,1795902077030,1795902077170,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a2241a-f866-7621-ad39-811f1bc87237','acme/main','01a2241a-f864-7603-8550-97bce56fcfb3','01a2241a-f85e-70a2-b885-28dabe6812d9','gone','agent.status.changed','FAILED',1795902137032,0,1,NULL,1795902077032,1,0,0,1795902077030,1795902077048,'GONE',NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a2241a-f866-7622-bf70-8d7821d08dab','acme/main','01a2241a-f864-7603-8550-97bce56fcfb3','01a2241a-f861-7311-883e-f36f5a3dfeee','deleted','agent.status.changed','SUCCEEDED',1795902137032,0,1,NULL,1795902077032,1,0,0,1795902077030,1795902077048,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a2241a-f90a-706e-a29a-1e3ebe1e097c','acme/main','01a2241a-f907-7207-8d2a-a16db74c7bde','01a2241a-f854-7146-9126-868ed4f12732','ok','agent.status.changed','SUCCEEDED',1795902137195,0,1,NULL,1795902077195,1,0,0,1795902077194,1795902077201,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a2241a-f90a-706f-bb17-33986c5397b2','acme/main','01a2241a-f907-7207-8d2a-a16db74c7bde','01a2241a-f859-7033-bb9c-2158f13f4bb1','failing','agent.status.changed','CANCELLED',1795905761854,0,2,NULL,1795902077195,1,1,0,1795902077194,1795902077367,NULL,NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a2241a-f90a-7070-b5dd-b5d104c33f66','acme/main','01a2241a-f907-7207-8d2a-a16db74c7bde','01a2241a-f85c-762b-b611-a3ed7dfc2ac5','exhausted','agent.status.changed','FAILED',1795902137319,0,2,NULL,1795902077319,2,1,0,1795902077194,1795902077322,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a2241a-f90a-7071-8d8d-740cc2035b4f','acme/main','01a2241a-f907-7207-8d2a-a16db74c7bde','01a2241a-f85e-70a2-b885-28dabe6812d9','gone','agent.status.changed','WAITING',1797111677195,1,0,NULL,NULL,0,0,0,1795902077194,NULL,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a2241a-f9b7-70b8-a736-3625b4e125ec','acme/main','01a2241a-f9ae-7312-82bf-ec81849a5c37','01a2241a-f9a9-72b9-8bd3-dc13b23a5ddd','listener','tidings.signing_key.rotated','SUCCEEDED',1795902137373,0,1,NULL,1795902077373,1,0,0,1795902077367,1795902077386,NULL,NULL,NULL,0,191);
INSERT INTO "notifications" VALUES('01a2241a-f9d7-73ea-94dc-c558ec168617','acme/main','01a2241a-f864-7603-8550-97bce56fcfb3','01a2241a-f854-7146-9126-868ed4f12732','ok','agent.status.changed','SUCCEEDED',1795902137402,0,1,NULL,1795902077402,1,0,0,1795902077399,1795902077406,NULL,'01a2241a-f9c5-7331-87b6-908080970f64',NULL,1,15);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-717a-9f1b-2f38af5ecf2c','acme/main','01a2241a-f9e3-74c2-9260-5919998afeb7','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-717b-8504-e9fc7eda8edc','acme/main','01a2241a-f9e3-74c3-8fc8-26c5898644e1','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-717c-ac3a-a4838647dd60','acme/main','01a2241a-f9e3-74c4-beaf-de1f3e5be0c4','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-717d-9670-5185b7886f47','acme/main','01a2241a-f9e3-74c5-b049-800ffc9bdd4a','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-717e-b8aa-23e67c1a9549','acme/main','01a2241a-f9e3-74c6-baf7-15bbe180a926','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-717f-bfe9-f4cff4a8c780','acme/main','01a2241a-f9e3-74c7-b57b-9cfb80e22595','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-7180-8b23-80a89e36c0a9','acme/main','01a2241a-f9e3-74c8-8cf5-fbbe07de60da','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-7181-88f0-c0736a35177f','acme/main','01a2241a-f9e3-74c9-9748-157638e9c9a3','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','WAITING',1795902137426,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077426,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-7182-acf1-02db2b4aa7ec','acme/main','01a2241a-f9e3-74ca-a256-bf8a92151571','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','READY',1795902077418,0,0,NULL,NULL,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-7183-bd53-d748cfd7f6cb','acme/main','01a2241a-f9e3-74cb-b3d2-d55843b4b8e5','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','READY',1795902077418,0,0,NULL,NULL,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-7184-8eae-7892ef650004','acme/main','01a2241a-f9e3-74cc-9377-01711ae3e299','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','READY',1795902077418,0,0,NULL,NULL,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-f9ea-7185-ac22-46576fb0b6fb','acme/main','01a2241a-f9e3-74cd-823e-b9a76a6ac8ca','01a2241a-f9dc-7573-a3d8-780956f3d069','hanging','hanging.one','READY',1795902077418,0,0,NULL,NULL,0,0,0,1795902077418,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-7587-acb7-2c1f67613466','acme/main','01a2241a-fa09-7113-909b-1cd681f9e161','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-7588-aa29-31323d9b0042','acme/main','01a2241a-fa09-7114-97d3-27be00cfa2c5','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-7589-bb6d-c9c51631fb46','acme/main','01a2241a-fa09-7115-95e7-3b0d2372a9db','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-758a-b360-c9c3d11b6582','acme/main','01a2241a-fa09-7116-90b8-ea92eeeb4afa','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-758b-8ace-fccbbdd5b776','acme/main','01a2241a-fa09-7117-924f-e6f1632a7dba','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-758c-9756-eaf3f2487547','acme/main','01a2241a-fa09-7118-8465-bd497cc8439f','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-758d-95df-70ff1b53903d','acme/main','01a2241a-fa09-7119-9c85-4e0e4962bd0d','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-758e-b55e-3cdbcf33bdd1','acme/main','01a2241a-fa09-711a-8362-1d70bfe15688','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1795902137455,0,1,'01a2241a-f803-711b-9881-97b72b3e30ca',1795902077455,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-758f-adad-2994832a57e2','acme/main','01a2241a-fa09-711b-be15-31a9b32828bc','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1797111678086,1,0,NULL,NULL,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-7590-b660-1fc50e4db61c','acme/main','01a2241a-fa09-711c-8288-459eb8a2f959','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1797111678086,1,0,NULL,NULL,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-7591-a017-e1f56e44599c','acme/main','01a2241a-fa09-711d-9ac7-c916375620be','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1797111678086,1,0,NULL,NULL,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a2241a-fa0e-7592-b943-3edc0d7ef03b','acme/main','01a2241a-fa09-711e-b4e9-255ac6c57d40','01a2241a-fa03-7188-9e24-40dedaf1e7ca','paused','paused.one','WAITING',1797111678086,1,0,NULL,NULL,0,0,0,1795902077454,NULL,NULL,NULL,NULL,0,2);
CREATE TABLE publish_requests (
        workspace TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        event_id TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, request_id)
    );
INSERT INTO "publish_requests" VALUES('acme/main','request-1',X'006D83D1450CCB7E5EA275CE9BFB4FE3DCFB0C5079B70584440CDC1CE8792FC9','01a2241a-f864-7603-8550-97bce56fcfb3',1795902077028);
INSERT INTO "publish_requests" VALUES('acme/main','01a2241a-f9ae-7312-82bf-ec81849a5c37',X'975C7703E0A34C4E48096E4A8F85DE4D4D121D762D5DE5D39BA35516202241F5','01a2241a-f9ae-7312-82bf-ec81849a5c37',1795902077361);
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
INSERT INTO "replays" VALUES('01a2241a-f9c5-7331-87b6-908080970f64','acme/main','01a2241a-f854-7146-9126-868ed4f12732','ok',0,1795902077381,'[]',0,0.01,'RUNNING',1,1,1795902077028,'01a2241a-f864-7603-8550-97bce56fcfb3',1795902177399,1795902077381,NULL);
CREATE TABLE sealing_keys (
        key_id TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        proof TEXT NOT NULL,
        create_time BIGINT NOT NULL
    );
INSERT INTO "sealing_keys" VALUES('first','ACTIVE','iqwEuUekTMNiYwD7vc3nza0aTVPAl/s97hnPi4UA0jS/AAM=',1795902076857);
CREATE TABLE signing_keys (
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        key_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT, scheme TEXT NOT NULL DEFAULT 'STANDARD_WEBHOOKS', sealed_with TEXT,
        PRIMARY KEY (subscription_uid, key_id)
    );
INSERT INTO "signing_keys" VALUES('01a2241a-f854-7146-9126-868ed4f12732','01a2241a-f854-7147-bc61-d727bcab9e10','uHi9Glp9CQe9SRTiwJes8hXOVvE3vv3QRk6QNbrqen6xNx4/5Dnfs5LCY5y+xUJVwcfr2d3iSUjYUJ74p7q3Z14FzjBWalI6nsu/0T+7',1795902077012,1795988477357,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a2241a-f859-7033-bb9c-2158f13f4bb1','01a2241a-f859-7034-abea-3658ddb5186c','OXrpTWMho0aeURJoB4Dgkcfx1I28RqfrF4c2m+sbKegBWIOra+UQ2QBtyThlUAxlCf1Zf3Q6x9u+Xy2wKI0QgAg92FSu6aK/VZ2JO1BW',1795902077017,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a2241a-f85c-762b-b611-a3ed7dfc2ac5','01a2241a-f85c-762c-ad46-2c8827f549ed','nn+TNYRzasBF287fXauvEEsM58lAofoZeAgJe7W4QiiVOudTQO9YcqPFT+zgsUActuuxyVUNpZ1d8fCFwFfV0n5nBEaJgbmRGCTKeciB',1795902077020,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a2241a-f85e-70a2-b885-28dabe6812d9','01a2241a-f85e-70a3-b8ec-949232b2199c','JonnOxzYIf+AJzvQ4UVQZs+oVU4+fLFsQYUHu94N8IB/DPRZNkVTfvkfJNAtX0HoOp19iePJuDkMauDmzp3gL9wf+k3JFiATxLfwRuBY',1795902077022,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a2241a-f9a9-72b9-8bd3-dc13b23a5ddd','01a2241a-f9a9-72ba-b23a-787db193a020','U1BB5GzEPIOGhqMxtSU1vq2LcfLQkkE8RvSpxGOaEvWI7NDjemZWUZOsPHKxVo2ZjZYTAPmaevldvVkwBVpr1GL92XEbE7mZ64+M00c3',1795902077353,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a2241a-f854-7146-9126-868ed4f12732','01a2241a-f9ae-7311-8e89-0798e98af38f','kacC64CbzijldMTYlyThtgWRizJi9p4FAUV4JHt1ZAH144CUKyvPISKKhkH0PcWypSeQQYFhrDvELf4SpB2d39u2MVF4damNUbikMXsW',1795902077357,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a2241a-f9dc-7573-a3d8-780956f3d069','01a2241a-f9dd-75ef-a617-d2acabdd9769','M4NuiUP9K1U8/9O2efy7glJi9qjmyxwfZ0OqVLP+wYO6PnwWIuRCMK2EQ9pXt6qrNsHnF/gfK8JlKJQatD+fXFqJg7cqU/KQEM3vj3Yv',1795902077404,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a2241a-fa03-7188-9e24-40dedaf1e7ca','01a2241a-fa03-7189-9e51-d9a28fc5c3ff','jxfXFFCALqNF8zNAtTOcH49Fdd3dSuvsg433gNmxTYseVI7EvI4yziDVv9oMVNbBZG/Jk1KZ9ctPM6NT1zfxNcUDulpgytfAhxPPyFtF',1795902077443,NULL,'STANDARD_WEBHOOKS','first');
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
INSERT INTO "subscriptions" VALUES('01a2241a-f854-7146-9126-868ed4f12732','acme/main','ok','Subscription ok','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','RNRqXDKY6Jrl3tM5wmFMRyiX6HiLBu/07VcX+Bal',NULL,NULL,'{}',1795902077012,1795902077357,NULL,9,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','Yro3LW07jd3Mk01VK5tVV+GRXogC2M4979/YzpMNEQ==');
INSERT INTO "subscriptions" VALUES('01a2241a-f859-7033-bb9c-2158f13f4bb1','acme/main','failing','Subscription failing','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','qlPH1p/Gsgyj9s2qZkKQNQ//sPBzflnQ7+jL8KeH','{"delays_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795902077017,1795902077017,NULL,2,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','CsX44ZraFK8IE7NhUgmrl+3Ssyp86sxLYyaiKIdCuRmmTw==');
INSERT INTO "subscriptions" VALUES('01a2241a-f85c-762b-b611-a3ed7dfc2ac5','acme/main','exhausted','Subscription exhausted','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','L236Nw36cdQOkLMmSskWqyHcILBtdn48HS0ACvKP','{"delays_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795902077020,1795902077020,NULL,3,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','MSOkZtwcxDL/dUQoBnhHiyMKT9bGP3cqCYecXsVQQwirgw==');
INSERT INTO "subscriptions" VALUES('01a2241a-f85e-70a2-b885-28dabe6812d9','acme/main','gone','Subscription gone','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','R3jEKlU+loJ4GimMgWym0QGvLwmmOxHirE3NZpID',NULL,NULL,'{}',1795902077022,1795902077048,NULL,6,NULL,'','',0,NULL,NULL,1795902077048,'GONE',0,NULL,'first','A5BhdSbL4XQohW9HJF/QDMEfbCezIodnS3XYHBBrHiTZ');
INSERT INTO "subscriptions" VALUES('01a2241a-f861-7311-883e-f36f5a3dfeee','acme/main','deleted','Subscription deleted','','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795902077025,1795902077025,1795902077186,7,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a2241a-f9a9-72b9-8bd3-dc13b23a5ddd','acme/main','listener','Subscription listener','http://127.0.0.1:8080','["tidings.*"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','lMl0cYnqFLuzGJlkIh9PFkL7KUxA2RD79Dzk6Y8L',NULL,NULL,'{}',1795902077353,1795902077353,NULL,8,NULL,'','event.type.startsWith(''tidings.'')',0,'X-API-Key','qvLm/SHWVYW1AqvI6x4XEvc+6Spx5QEygnWsnb8tBjOl2W11hHI=',NULL,NULL,1,NULL,'first','4qNUBhXWRhdPupFhLrIxTULpn2JuGF3JfG3Tjyjddw==');
INSERT INTO "subscriptions" VALUES('01a2241a-f9dc-7573-a3d8-780956f3d069','acme/main','hanging','Subscription hanging','http://127.0.0.1:8080','["hanging.one"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','WVXiQKkkP+D3gSAsv85Gr9ZK/lz80K+dnAUO3rsO',NULL,NULL,'{}',1795902077404,1795902077404,NULL,10,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','nMqaXSx6J8MoHqEwvWhh9G/0yJeuUWJJPkje7egH0p1LNw==');
INSERT INTO "subscriptions" VALUES('01a2241a-fa03-7188-9e24-40dedaf1e7ca','acme/main','paused','Subscription paused','http://127.0.0.1:8080','["paused.one"]','{}',0,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','MUKMaOpy71BA0mB/J3hZhS15DrEBNqNiJDXQPX2C',NULL,NULL,'{}',1795902077443,1795902077482,NULL,12,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','cbkL7krljAdwavu9HP4Ikd3ONS0PsrK7ial1248OlboKEg==');
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
