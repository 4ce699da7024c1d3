-- agent.status.changed and others, by 0004_credentials_sealing_audit, at 1795898803527
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tidings','0001_first_tables','2026-11-28 20:46:42.381432+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'tidings','0002_filters_rotation_schemas_replays_changes','2026-11-28 20:46:42.384739+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'tidings','0003_lanes_retention','2026-11-28 20:46:42.386538+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'tidings','0004_credentials_sealing_audit','2026-11-28 20:46:42.388735+00:00');
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
INSERT INTO "attempts" VALUES('01a223e9-0169-77cb-84a4-7e32ce1d884c',1,'SUCCEEDED',1795898802543,9,204,'[["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34419','["01a223e9-0158-7603-bd30-a7eb91fff4bc"]');
INSERT INTO "attempts" VALUES('01a223e9-0169-77cf-843c-a1b3eb18b540',1,'SUCCEEDED',1795898802548,4,204,'[["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34419','["01a223e9-0166-75f5-bfc0-42290bd55d8f"]');
INSERT INTO "attempts" VALUES('01a223e9-0169-77cd-95ca-6c5937789bc9',1,'REJECTED',1795898802549,4,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34419','["01a223e9-0161-75dc-b75e-8202a54a8113"]');
INSERT INTO "attempts" VALUES('01a223e9-0169-77ce-9d13-3dbd41cd65bd',1,'GONE',1795898802549,4,410,'[["Content-Length","0"],["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'the receiver answered 410: it wants nothing more','127.0.0.1:34419','["01a223e9-0163-70df-bf4b-7f6a7afd1f2e"]');
INSERT INTO "attempts" VALUES('01a223e9-0169-77cc-9090-4965289cfd48',1,'REJECTED',1795898802549,4,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34419','["01a223e9-015d-70a4-b526-9e2fc7da6d52"]');
INSERT INTO "attempts" VALUES('01a223e9-0169-77cd-95ca-6c5937789bc9',2,'REJECTED',1795898802652,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34419','["01a223e9-0161-75dc-b75e-8202a54a8113"]');
INSERT INTO "attempts" VALUES('01a223e9-0203-763e-8c76-ab2b39d88c5e',1,'REJECTED',1795898802697,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34419','["01a223e9-0161-75dc-b75e-8202a54a8113"]');
INSERT INTO "attempts" VALUES('01a223e9-0203-763d-8f95-a065654588d1',1,'REJECTED',1795898802697,3,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34419','["01a223e9-015d-70a4-b526-9e2fc7da6d52"]');
INSERT INTO "attempts" VALUES('01a223e9-0203-763c-b6b1-23320e145f56',1,'SUCCEEDED',1795898802697,3,204,'[["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34419','["01a223e9-0158-7603-bd30-a7eb91fff4bc"]');
INSERT INTO "attempts" VALUES('01a223e9-0203-763e-8c76-ab2b39d88c5e',2,'REJECTED',1795898802812,6,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34419','["01a223e9-0161-75dc-b75e-8202a54a8113"]');
INSERT INTO "attempts" VALUES('01a223e9-02ad-7387-a55f-7ca72049902a',1,'SUCCEEDED',1795898802865,2,204,'[["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34419','["01a223e9-02a1-725d-a9f5-0ce791a23e58"]');
INSERT INTO "attempts" VALUES('01a223e9-02b9-73b0-96aa-ebb07251e33c',1,'SUCCEEDED',1795898802876,2,204,'[["Date","Sat, 28 Nov 2026 20:46:42 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34419','["01a223e9-02a6-7566-9f94-5acf7baa4a8b","01a223e9-0158-7603-bd30-a7eb91fff4bc"]');
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
INSERT INTO "audit_log" VALUES(1,1795898802511,'development','CreateEventType','','eventTypes/agent.status.changed','','01a223e9-014f-735a-95c3-d4319bfd834c',NULL,'{"name":"eventTypes/agent.status.changed","display_name":"agent.status.changed","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:46:42.511Z"}');
INSERT INTO "audit_log" VALUES(2,1795898802520,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/ok','','01a223e9-0157-7262-ab5a-2bd6c133cb13',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223e9-0158-7602-8a22-4dba2870ef80","display_name":"Subscription ok","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-0158-7603-bd30-a7eb91fff4bc","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.520Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.520Z"}');
INSERT INTO "audit_log" VALUES(3,1795898802525,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/failing','','01a223e9-015d-70a2-8246-603508f88439',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/failing","uid":"01a223e9-015d-70a3-9890-7b194be3a6e1","display_name":"Subscription failing","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-015d-70a4-b526-9e2fc7da6d52","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.525Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.525Z"}');
INSERT INTO "audit_log" VALUES(4,1795898802528,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/exhausted','','01a223e9-0160-703b-90e7-37ca37e90caa',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/exhausted","uid":"01a223e9-0161-75db-bf95-69643bc7e3ed","display_name":"Subscription exhausted","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-0161-75dc-b75e-8202a54a8113","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.528Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.528Z"}');
INSERT INTO "audit_log" VALUES(5,1795898802531,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','01a223e9-0163-70dd-bbda-a69fcd7ac436',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223e9-0163-70de-a8d4-ef850c1556f3","display_name":"Subscription gone","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-0163-70df-bf4b-7f6a7afd1f2e","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.531Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.531Z"}');
INSERT INTO "audit_log" VALUES(6,1795898802534,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223e9-0165-72aa-96d7-831fe91ec3fc',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223e9-0166-75f4-91a3-015528a0500a","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-0166-75f5-bfc0-42290bd55d8f","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.534Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.534Z"}');
INSERT INTO "audit_log" VALUES(7,1795898802555,'server','SuspendSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223e9-0163-70de-a8d4-ef850c1556f3","display_name":"Subscription gone","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-0163-70df-bf4b-7f6a7afd1f2e","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.531Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.531Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223e9-0163-70de-a8d4-ef850c1556f3","display_name":"Subscription gone","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"SUSPENDED","state_reason":"GONE","signing_keys":[{"key_id":"01a223e9-0163-70df-bf4b-7f6a7afd1f2e","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.531Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.531Z"}');
INSERT INTO "audit_log" VALUES(8,1795898802685,'development','DeleteSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223e9-01fd-7469-bae5-d2b16033b4fc','{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223e9-0166-75f4-91a3-015528a0500a","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-0166-75f5-bfc0-42290bd55d8f","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.534Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.534Z"}',NULL);
INSERT INTO "audit_log" VALUES(9,1795898802849,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/listener','','01a223e9-029c-7045-b91e-3d378121956c',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/listener","uid":"01a223e9-02a1-725c-b83d-d0565decec1a","display_name":"Subscription listener","url":"http://127.0.0.1:8080/***","event_types":["tidings.*"],"attribute_filters":{},"filter":"event.type.startsWith(''tidings.'')","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":{"header":"X-API-Key","value":"***"},"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-02a1-725d-a9f5-0ce791a23e58","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.849Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.849Z"}');
INSERT INTO "audit_log" VALUES(10,1795898802853,'development','RotateSigningKey','acme/main','organizations/acme/workspaces/main/subscriptions/ok','rotation-1','01a223e9-02a5-738f-ab57-53da7f21ae7c','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223e9-0158-7602-8a22-4dba2870ef80","display_name":"Subscription ok","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-0158-7603-bd30-a7eb91fff4bc","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.520Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.520Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223e9-0158-7602-8a22-4dba2870ef80","display_name":"Subscription ok","url":"http://127.0.0.1:8080/***","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-02a6-7566-9f94-5acf7baa4a8b","scheme":"STANDARD_WEBHOOKS","hint":"1cQ=","create_time":"2026-11-28T20:46:42.853Z","expire_time":null},{"key_id":"01a223e9-0158-7603-bd30-a7eb91fff4bc","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.520Z","expire_time":"2026-11-29T20:46:42.853Z"}],"create_time":"2026-11-28T20:46:42.520Z"}');
INSERT INTO "audit_log" VALUES(11,1795898802862,'development','CancelNotification','acme/main','organizations/acme/workspaces/main/notifications/01a223e9-0203-763d-8f95-a065654588d1','','01a223e9-02ad-7388-951b-4d6468dd0e10','{"name":"organizations/acme/workspaces/main/notifications/01a223e9-0203-763d-8f95-a065654588d1","event":"organizations/acme/workspaces/main/events/01a223e9-0201-7054-ac4a-7ff13e0ceb8b","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"PENDING","attempt_count":1,"next_attempt_time":"2026-11-28T21:36:17.959Z","replay":null,"create_time":"2026-11-28T20:46:42.691Z","complete_time":null,"failure_reason":null}','{"name":"organizations/acme/workspaces/main/notifications/01a223e9-0203-763d-8f95-a065654588d1","event":"organizations/acme/workspaces/main/events/01a223e9-0201-7054-ac4a-7ff13e0ceb8b","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"CANCELLED","attempt_count":1,"next_attempt_time":null,"replay":null,"create_time":"2026-11-28T20:46:42.691Z","complete_time":"2026-11-28T20:46:42.862Z","failure_reason":null}');
INSERT INTO "audit_log" VALUES(12,1795898802865,'development','CreateReplay','acme/main','organizations/acme/workspaces/main/subscriptions/ok/replays/01a223e9-02b1-7697-9d3e-2edc1f19a9c7','','01a223e9-02b1-7696-b724-b6a1951c1a43',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok/replays/01a223e9-02b1-7697-9d3e-2edc1f19a9c7","start_time":"1970-01-01T00:00:00.000Z","end_time":"2026-11-28T20:46:42.865Z","states":[],"include_unmatched":false,"max_rate_per_second":0.01,"state":"RUNNING","examined_count":0,"created_count":0,"create_time":"2026-11-28T20:46:42.865Z","complete_time":null}');
INSERT INTO "audit_log" VALUES(13,1795898802899,'development','CreateEventType','','eventTypes/hanging.one','','01a223e9-02d2-742c-88b1-63fb9bddc230',NULL,'{"name":"eventTypes/hanging.one","display_name":"hanging.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:46:42.899Z"}');
INSERT INTO "audit_log" VALUES(14,1795898802901,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/hanging','','01a223e9-02d5-73f6-a617-6146c34c8408',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/hanging","uid":"01a223e9-02d5-73f7-af9b-ac29a5559207","display_name":"Subscription hanging","url":"http://127.0.0.1:8080/***","event_types":["hanging.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-02d5-73f8-ba5c-efec2576f038","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.901Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.901Z"}');
INSERT INTO "audit_log" VALUES(15,1795898802914,'development','CreateEventType','','eventTypes/paused.one','','01a223e9-02e1-73f8-98b0-a44b48b143fa',NULL,'{"name":"eventTypes/paused.one","display_name":"paused.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:46:42.914Z"}');
INSERT INTO "audit_log" VALUES(16,1795898802922,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223e9-02e9-70d4-9831-d78400549b99',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223e9-02ea-776a-af5e-a94445400fa8","display_name":"Subscription paused","url":"http://127.0.0.1:8080/***","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-02ea-776b-be0c-4e1f993ae3d3","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.922Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.922Z"}');
INSERT INTO "audit_log" VALUES(17,1795898802962,'development','UpdateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223e9-0311-7047-89e5-01cc60977684','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223e9-02ea-776a-af5e-a94445400fa8","display_name":"Subscription paused","url":"http://127.0.0.1:8080/***","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-02ea-776b-be0c-4e1f993ae3d3","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.922Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.922Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223e9-02ea-776a-af5e-a94445400fa8","display_name":"Subscription paused","url":"http://127.0.0.1:8080/***","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":false,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"DISABLED","state_reason":"","signing_keys":[{"key_id":"01a223e9-02ea-776b-be0c-4e1f993ae3d3","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:46:42.922Z","expire_time":null}],"create_time":"2026-11-28T20:46:42.922Z"}');
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
INSERT INTO "changes" VALUES(1,'acme/main','01a223e9-0169-77cb-84a4-7e32ce1d884c','01a223e9-0158-7602-8a22-4dba2870ef80','PENDING',0,1795898802537,NULL,NULL,NULL,1795898802537);
INSERT INTO "changes" VALUES(2,'acme/main','01a223e9-0169-77cc-9090-4965289cfd48','01a223e9-015d-70a3-9890-7b194be3a6e1','PENDING',0,1795898802537,NULL,NULL,NULL,1795898802537);
INSERT INTO "changes" VALUES(3,'acme/main','01a223e9-0169-77cd-95ca-6c5937789bc9','01a223e9-0161-75db-bf95-69643bc7e3ed','PENDING',0,1795898802537,NULL,NULL,NULL,1795898802537);
INSERT INTO "changes" VALUES(4,'acme/main','01a223e9-0169-77ce-9d13-3dbd41cd65bd','01a223e9-0163-70de-a8d4-ef850c1556f3','PENDING',0,1795898802537,NULL,NULL,NULL,1795898802537);
INSERT INTO "changes" VALUES(5,'acme/main','01a223e9-0169-77cf-843c-a1b3eb18b540','01a223e9-0166-75f4-91a3-015528a0500a','PENDING',0,1795898802537,NULL,NULL,NULL,1795898802537);
INSERT INTO "changes" VALUES(6,'acme/main','01a223e9-0169-77cb-84a4-7e32ce1d884c','01a223e9-0158-7602-8a22-4dba2870ef80','SUCCEEDED',1,NULL,1795898802552,NULL,1,1795898802552);
INSERT INTO "changes" VALUES(7,'acme/main','01a223e9-0169-77cf-843c-a1b3eb18b540','01a223e9-0166-75f4-91a3-015528a0500a','SUCCEEDED',1,NULL,1795898802555,NULL,1,1795898802555);
INSERT INTO "changes" VALUES(8,'acme/main','01a223e9-0169-77cd-95ca-6c5937789bc9','01a223e9-0161-75db-bf95-69643bc7e3ed','PENDING',1,1795898802649,NULL,NULL,1,1795898802555);
INSERT INTO "changes" VALUES(9,'acme/main','01a223e9-0169-77ce-9d13-3dbd41cd65bd','01a223e9-0163-70de-a8d4-ef850c1556f3','FAILED',1,NULL,1795898802555,'GONE',1,1795898802555);
INSERT INTO "changes" VALUES(10,'acme/main','01a223e9-0169-77cc-9090-4965289cfd48','01a223e9-015d-70a3-9890-7b194be3a6e1','PENDING',1,1795902904852,NULL,NULL,1,1795898802555);
INSERT INTO "changes" VALUES(11,'acme/main','01a223e9-0169-77cd-95ca-6c5937789bc9','01a223e9-0161-75db-bf95-69643bc7e3ed','FAILED',2,NULL,1795898802654,'ATTEMPTS_EXHAUSTED',2,1795898802654);
INSERT INTO "changes" VALUES(12,'acme/main','01a223e9-0203-763c-b6b1-23320e145f56','01a223e9-0158-7602-8a22-4dba2870ef80','PENDING',0,1795898802691,NULL,NULL,NULL,1795898802691);
INSERT INTO "changes" VALUES(13,'acme/main','01a223e9-0203-763d-8f95-a065654588d1','01a223e9-015d-70a3-9890-7b194be3a6e1','PENDING',0,1795898802691,NULL,NULL,NULL,1795898802691);
INSERT INTO "changes" VALUES(14,'acme/main','01a223e9-0203-763e-8c76-ab2b39d88c5e','01a223e9-0161-75db-bf95-69643bc7e3ed','PENDING',0,1795898802691,NULL,NULL,NULL,1795898802691);
INSERT INTO "changes" VALUES(15,'acme/main','01a223e9-0203-763f-917c-8050a79bf21d','01a223e9-0163-70de-a8d4-ef850c1556f3','PENDING',0,1795898802691,NULL,NULL,NULL,1795898802691);
INSERT INTO "changes" VALUES(16,'acme/main','01a223e9-0203-763e-8c76-ab2b39d88c5e','01a223e9-0161-75db-bf95-69643bc7e3ed','PENDING',1,1795898802809,NULL,NULL,1,1795898802698);
INSERT INTO "changes" VALUES(17,'acme/main','01a223e9-0203-763d-8f95-a065654588d1','01a223e9-015d-70a3-9890-7b194be3a6e1','PENDING',1,1795901777959,NULL,NULL,1,1795898802700);
INSERT INTO "changes" VALUES(18,'acme/main','01a223e9-0203-763c-b6b1-23320e145f56','01a223e9-0158-7602-8a22-4dba2870ef80','SUCCEEDED',1,NULL,1795898802700,NULL,1,1795898802700);
INSERT INTO "changes" VALUES(19,'acme/main','01a223e9-0203-763e-8c76-ab2b39d88c5e','01a223e9-0161-75db-bf95-69643bc7e3ed','FAILED',2,NULL,1795898802817,'ATTEMPTS_EXHAUSTED',2,1795898802817);
INSERT INTO "changes" VALUES(20,'acme/main','01a223e9-02ad-7387-a55f-7ca72049902a','01a223e9-02a1-725c-b83d-d0565decec1a','PENDING',0,1795898802861,NULL,NULL,NULL,1795898802861);
INSERT INTO "changes" VALUES(21,'acme/main','01a223e9-0203-763d-8f95-a065654588d1','01a223e9-015d-70a3-9890-7b194be3a6e1','CANCELLED',1,NULL,1795898802862,NULL,NULL,1795898802862);
INSERT INTO "changes" VALUES(22,'acme/main','01a223e9-02ad-7387-a55f-7ca72049902a','01a223e9-02a1-725c-b83d-d0565decec1a','SUCCEEDED',1,NULL,1795898802867,NULL,1,1795898802867);
INSERT INTO "changes" VALUES(23,'acme/main','01a223e9-02b9-73b0-96aa-ebb07251e33c','01a223e9-0158-7602-8a22-4dba2870ef80','PENDING',0,1795898802873,NULL,NULL,NULL,1795898802873);
INSERT INTO "changes" VALUES(24,'acme/main','01a223e9-02b9-73b0-96aa-ebb07251e33c','01a223e9-0158-7602-8a22-4dba2870ef80','SUCCEEDED',1,NULL,1795898802877,NULL,1,1795898802877);
INSERT INTO "changes" VALUES(25,'acme/main','01a223e9-02dc-7204-b71a-c6df6ad0450f','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(26,'acme/main','01a223e9-02dc-7205-869f-b58c9f9a15be','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(27,'acme/main','01a223e9-02dc-7206-ad03-bacfab58aea8','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(28,'acme/main','01a223e9-02dc-7207-84bd-54f9be163d80','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(29,'acme/main','01a223e9-02dc-7208-88ce-99ade73ac320','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(30,'acme/main','01a223e9-02dc-7209-bed8-e8416776588a','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(31,'acme/main','01a223e9-02dc-720a-8d47-394d336503d3','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(32,'acme/main','01a223e9-02dc-720b-a8b8-07e28dbd4469','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(33,'acme/main','01a223e9-02dc-720c-a2d9-988d213c92f3','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(34,'acme/main','01a223e9-02dc-720d-9d1b-4024d786248f','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(35,'acme/main','01a223e9-02dc-720e-bd1b-8b44f18e556b','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(36,'acme/main','01a223e9-02dc-720f-8d35-25b852da403a','01a223e9-02d5-73f7-af9b-ac29a5559207','PENDING',0,1795898802908,NULL,NULL,NULL,1795898802908);
INSERT INTO "changes" VALUES(37,'acme/main','01a223e9-02f0-70fd-a801-7da59abcce8c','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(38,'acme/main','01a223e9-02f0-70fe-aba5-e9e0dea7de76','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(39,'acme/main','01a223e9-02f0-70ff-b485-ac315fd7ae84','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(40,'acme/main','01a223e9-02f0-7100-b81c-6ba506f57a0e','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(41,'acme/main','01a223e9-02f0-7101-8b71-c7b9dbecc0af','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(42,'acme/main','01a223e9-02f0-7102-b711-6fd048c3f090','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(43,'acme/main','01a223e9-02f0-7103-92e1-524f182d757b','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(44,'acme/main','01a223e9-02f0-7104-8e4f-cddb60855f77','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(45,'acme/main','01a223e9-02f0-7105-871e-7d5848521830','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(46,'acme/main','01a223e9-02f0-7106-b532-6eb0acb9b9e7','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(47,'acme/main','01a223e9-02f0-7107-93c4-7bf81882839a','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
INSERT INTO "changes" VALUES(48,'acme/main','01a223e9-02f0-7108-ba80-fe5cab0ed43f','01a223e9-02ea-776a-af5e-a94445400fa8','PENDING',0,1795898802928,NULL,NULL,NULL,1795898802928);
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
INSERT INTO "event_types" VALUES('agent.status.changed','agent.status.changed','','',NULL,NULL,'[]','[]',0,1795898802511,1795898802511,1795898802511,'','REJECT');
INSERT INTO "event_types" VALUES('hanging.one','hanging.one','','',NULL,NULL,'[]','[]',0,1795898802899,1795898802899,1795898802899,'','REJECT');
INSERT INTO "event_types" VALUES('paused.one','paused.one','','',NULL,NULL,'[]','[]',0,1795898802914,1795898802914,1795898802914,'','REJECT');
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
INSERT INTO "events" VALUES('acme/main','01a223e9-0168-76a2-b442-55c41eef1c92','agent.status.changed','agents/a-17','','{"team":"a"}','application/json',1,NULL,1795898802536,X'CDE2CA7C86760958A5C56ED21C980F7012B150A4819B274FC806EA42A4500D19',15,5,'',X'7B226669727374223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-0201-7054-ac4a-7ff13e0ceb8b','agent.status.changed','','','{}','application/json',1,NULL,1795898802689,X'7A5DC9D412D870E6FFD53CDBC8734AF377983AFF1111FF1FE2309822DCA22149',16,4,'',X'7B227365636F6E64223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02a6-7567-ba4c-3260e14e86d6','tidings.signing_key.rotated','tidings','organizations/acme/workspaces/main/subscriptions/ok','{}','application/json',1,1795898802853,1795898802857,X'8059BD2A1B1CB32A927BA57B23F859FCA76AA698DFF78BD078B17DEE352E6A20',191,1,'',X'7B22737562736372697074696F6E223A226F7267616E697A6174696F6E732F61636D652F776F726B7370616365732F6D61696E2F737562736372697074696F6E732F6F6B222C227369676E61747572655F736368656D65223A225354414E444152445F574542484F4F4B53222C226B65795F6964223A2230316132323365392D303261362D373536362D396639342D356163663762616134613862222C2274696D65223A22323032362D31312D32385432303A34363A34322E3835335A227D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70f5-88a4-1e6df3d9ab0c','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70f6-805a-b5acbdd342de','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70f7-b3fb-8902076171e7','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70f8-b5d6-0183aade641c','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70f9-97fb-91f6d1979a62','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70fa-a4ff-b723bcc583de','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70fb-af5f-44db7ba5b61a','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70fc-be27-9dc1f80890ad','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70fd-b67f-e9e021b2b209','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70fe-b8ea-560490911bd7','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-70ff-bfd9-71e9e7c0f337','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02d9-7100-b6e6-bfb918ab73e1','hanging.one','','','{}','application/json',1,NULL,1795898802905,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-7407-8cf0-05bd2502ea5c','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-7408-89b9-4188a9e05dd8','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-7409-90c3-834a0d71ea89','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-740a-b021-46ccf5c50251','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-740b-bf80-b2d2f9379976','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-740c-9e99-44bdda09606f','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-740d-bc72-2f273cb65936','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-740e-95b3-5ca07289116c','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ed-740f-ab20-84f4aca63715','paused.one','','','{}','application/json',1,NULL,1795898802925,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ee-74cc-93cb-06af0f1b3f5a','paused.one','','','{}','application/json',1,NULL,1795898802926,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ee-74cd-9f8f-db4ab69a5923','paused.one','','','{}','application/json',1,NULL,1795898802926,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-02ee-74ce-aa95-7b7fbfd3cc1a','paused.one','','','{}','application/json',1,NULL,1795898802926,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
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
INSERT INTO "lanes" VALUES('01a223e9-0158-7602-8a22-4dba2870ef80',8,3,0,0,NULL,NULL,0,1795898802552);
INSERT INTO "lanes" VALUES('01a223e9-015d-70a3-9890-7b194be3a6e1',8,0,0,0,NULL,1795898802555,2,NULL);
INSERT INTO "lanes" VALUES('01a223e9-0161-75db-bf95-69643bc7e3ed',8,0,0,0,NULL,1795898802555,4,NULL);
INSERT INTO "lanes" VALUES('01a223e9-0163-70de-a8d4-ef850c1556f3',8,0,0,0,NULL,1795898802555,1,NULL);
INSERT INTO "lanes" VALUES('01a223e9-02a1-725c-b83d-d0565decec1a',8,1,0,0,NULL,NULL,0,1795898802867);
CREATE TABLE management_requests (
        workspace TEXT NOT NULL,
        method TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        result TEXT NOT NULL,
        create_time BIGINT NOT NULL, fingerprint_is_keyed BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (workspace, method, request_id)
    );
INSERT INTO "management_requests" VALUES('acme/main','RotateSigningKey','rotation-1',X'3BEE1973D5C70C63E21E7EEA231EBF61818AEF269FB2DB6D7C243CBC99AA4C7E','{"subscription_uid":"01a223e9-0158-7602-8a22-4dba2870ef80","subscription_id":"ok","key_id":"01a223e9-02a6-7566-9f94-5acf7baa4a8b"}',1795898802853,0);
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
INSERT INTO "notifications" VALUES('01a223e9-0169-77cb-84a4-7e32ce1d884c','acme/main','01a223e9-0168-76a2-b442-55c41eef1c92','01a223e9-0158-7602-8a22-4dba2870ef80','ok','agent.status.changed','SUCCEEDED',1795898862539,0,1,NULL,1795898802539,1,0,0,1795898802537,1795898802552,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223e9-0169-77cc-9090-4965289cfd48','acme/main','01a223e9-0168-76a2-b442-55c41eef1c92','01a223e9-015d-70a3-9890-7b194be3a6e1','failing','agent.status.changed','WAITING',1795902904852,0,1,NULL,1795898802539,1,1,0,1795898802537,NULL,NULL,NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223e9-0169-77cd-95ca-6c5937789bc9','acme/main','01a223e9-0168-76a2-b442-55c41eef1c92','01a223e9-0161-75db-bf95-69643bc7e3ed','exhausted','agent.status.changed','FAILED',1795898862649,0,2,NULL,1795898802649,2,1,0,1795898802537,1795898802654,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223e9-0169-77ce-9d13-3dbd41cd65bd','acme/main','01a223e9-0168-76a2-b442-55c41eef1c92','01a223e9-0163-70de-a8d4-ef850c1556f3','gone','agent.status.changed','FAILED',1795898862539,0,1,NULL,1795898802539,1,0,0,1795898802537,1795898802555,'GONE',NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223e9-0169-77cf-843c-a1b3eb18b540','acme/main','01a223e9-0168-76a2-b442-55c41eef1c92','01a223e9-0166-75f4-91a3-015528a0500a','deleted','agent.status.changed','SUCCEEDED',1795898862539,0,1,NULL,1795898802539,1,0,0,1795898802537,1795898802555,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223e9-0203-763c-b6b1-23320e145f56','acme/main','01a223e9-0201-7054-ac4a-7ff13e0ceb8b','01a223e9-0158-7602-8a22-4dba2870ef80','ok','agent.status.changed','SUCCEEDED',1795898862693,0,1,NULL,1795898802693,1,0,0,1795898802691,1795898802700,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223e9-0203-763d-8f95-a065654588d1','acme/main','01a223e9-0201-7054-ac4a-7ff13e0ceb8b','01a223e9-015d-70a3-9890-7b194be3a6e1','failing','agent.status.changed','CANCELLED',1795901777959,0,2,NULL,1795898802693,1,1,0,1795898802691,1795898802862,NULL,NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223e9-0203-763e-8c76-ab2b39d88c5e','acme/main','01a223e9-0201-7054-ac4a-7ff13e0ceb8b','01a223e9-0161-75db-bf95-69643bc7e3ed','exhausted','agent.status.changed','FAILED',1795898862810,0,2,NULL,1795898802810,2,1,0,1795898802691,1795898802817,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223e9-0203-763f-917c-8050a79bf21d','acme/main','01a223e9-0201-7054-ac4a-7ff13e0ceb8b','01a223e9-0163-70de-a8d4-ef850c1556f3','gone','agent.status.changed','WAITING',1797108402693,1,0,NULL,NULL,0,0,0,1795898802691,NULL,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223e9-02ad-7387-a55f-7ca72049902a','acme/main','01a223e9-02a6-7567-ba4c-3260e14e86d6','01a223e9-02a1-725c-b83d-d0565decec1a','listener','tidings.signing_key.rotated','SUCCEEDED',1795898862862,0,1,NULL,1795898802862,1,0,0,1795898802861,1795898802867,NULL,NULL,NULL,0,191);
INSERT INTO "notifications" VALUES('01a223e9-02b9-73b0-96aa-ebb07251e33c','acme/main','01a223e9-0168-76a2-b442-55c41eef1c92','01a223e9-0158-7602-8a22-4dba2870ef80','ok','agent.status.changed','SUCCEEDED',1795898862875,0,1,NULL,1795898802875,1,0,0,1795898802873,1795898802877,NULL,'01a223e9-02b1-7697-9d3e-2edc1f19a9c7',NULL,1,15);
INSERT INTO "notifications" VALUES('01a223e9-02dc-7204-b71a-c6df6ad0450f','acme/main','01a223e9-02d9-70f5-88a4-1e6df3d9ab0c','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-7205-869f-b58c9f9a15be','acme/main','01a223e9-02d9-70f6-805a-b5acbdd342de','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-7206-ad03-bacfab58aea8','acme/main','01a223e9-02d9-70f7-b3fb-8902076171e7','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-7207-84bd-54f9be163d80','acme/main','01a223e9-02d9-70f8-b5d6-0183aade641c','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-7208-88ce-99ade73ac320','acme/main','01a223e9-02d9-70f9-97fb-91f6d1979a62','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-7209-bed8-e8416776588a','acme/main','01a223e9-02d9-70fa-a4ff-b723bcc583de','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-720a-8d47-394d336503d3','acme/main','01a223e9-02d9-70fb-af5f-44db7ba5b61a','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-720b-a8b8-07e28dbd4469','acme/main','01a223e9-02d9-70fc-be27-9dc1f80890ad','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','WAITING',1795898862911,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802911,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-720c-a2d9-988d213c92f3','acme/main','01a223e9-02d9-70fd-b67f-e9e021b2b209','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','READY',1795898802908,0,0,NULL,NULL,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-720d-9d1b-4024d786248f','acme/main','01a223e9-02d9-70fe-b8ea-560490911bd7','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','READY',1795898802908,0,0,NULL,NULL,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-720e-bd1b-8b44f18e556b','acme/main','01a223e9-02d9-70ff-bfd9-71e9e7c0f337','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','READY',1795898802908,0,0,NULL,NULL,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02dc-720f-8d35-25b852da403a','acme/main','01a223e9-02d9-7100-b6e6-bfb918ab73e1','01a223e9-02d5-73f7-af9b-ac29a5559207','hanging','hanging.one','READY',1795898802908,0,0,NULL,NULL,0,0,0,1795898802908,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-70fd-a801-7da59abcce8c','acme/main','01a223e9-02ed-7407-8cf0-05bd2502ea5c','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-70fe-aba5-e9e0dea7de76','acme/main','01a223e9-02ed-7408-89b9-4188a9e05dd8','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-70ff-b485-ac315fd7ae84','acme/main','01a223e9-02ed-7409-90c3-834a0d71ea89','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7100-b81c-6ba506f57a0e','acme/main','01a223e9-02ed-740a-b021-46ccf5c50251','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7101-8b71-c7b9dbecc0af','acme/main','01a223e9-02ed-740b-bf80-b2d2f9379976','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7102-b711-6fd048c3f090','acme/main','01a223e9-02ed-740c-9e99-44bdda09606f','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7103-92e1-524f182d757b','acme/main','01a223e9-02ed-740d-bc72-2f273cb65936','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7104-8e4f-cddb60855f77','acme/main','01a223e9-02ed-740e-95b3-5ca07289116c','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1795898862932,0,1,'01a223e9-0109-7622-86e9-b2da1aa2923e',1795898802932,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7105-871e-7d5848521830','acme/main','01a223e9-02ed-740f-ab20-84f4aca63715','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1797108403514,1,0,NULL,NULL,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7106-b532-6eb0acb9b9e7','acme/main','01a223e9-02ee-74cc-93cb-06af0f1b3f5a','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1797108403514,1,0,NULL,NULL,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7107-93c4-7bf81882839a','acme/main','01a223e9-02ee-74cd-9f8f-db4ab69a5923','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1797108403514,1,0,NULL,NULL,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-02f0-7108-ba80-fe5cab0ed43f','acme/main','01a223e9-02ee-74ce-aa95-7b7fbfd3cc1a','01a223e9-02ea-776a-af5e-a94445400fa8','paused','paused.one','WAITING',1797108403514,1,0,NULL,NULL,0,0,0,1795898802928,NULL,NULL,NULL,NULL,0,2);
CREATE TABLE publish_requests (
        workspace TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        event_id TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, request_id)
    );
INSERT INTO "publish_requests" VALUES('acme/main','request-1',X'006D83D1450CCB7E5EA275CE9BFB4FE3DCFB0C5079B70584440CDC1CE8792FC9','01a223e9-0168-76a2-b442-55c41eef1c92',1795898802536);
INSERT INTO "publish_requests" VALUES('acme/main','01a223e9-02a6-7567-ba4c-3260e14e86d6',X'A5C5C23673829AD73224CA031AA5DFACC8429A7653CAB802CC394A5BE88601AC','01a223e9-02a6-7567-ba4c-3260e14e86d6',1795898802857);
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
INSERT INTO "replays" VALUES('01a223e9-02b1-7697-9d3e-2edc1f19a9c7','acme/main','01a223e9-0158-7602-8a22-4dba2870ef80','ok',0,1795898802865,'[]',0,0.01,'RUNNING',1,1,1795898802536,'01a223e9-0168-76a2-b442-55c41eef1c92',1795898902873,1795898802865,NULL);
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
INSERT INTO "signing_keys" VALUES('01a223e9-0158-7602-8a22-4dba2870ef80','01a223e9-0158-7603-bd30-a7eb91fff4bc','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795898802520,1795985202853,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223e9-015d-70a3-9890-7b194be3a6e1','01a223e9-015d-70a4-b526-9e2fc7da6d52','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795898802525,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223e9-0161-75db-bf95-69643bc7e3ed','01a223e9-0161-75dc-b75e-8202a54a8113','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795898802528,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223e9-0163-70de-a8d4-ef850c1556f3','01a223e9-0163-70df-bf4b-7f6a7afd1f2e','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795898802531,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223e9-02a1-725c-b83d-d0565decec1a','01a223e9-02a1-725d-a9f5-0ce791a23e58','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795898802849,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223e9-0158-7602-8a22-4dba2870ef80','01a223e9-02a6-7566-9f94-5acf7baa4a8b','whsec_PDIzYccaFVOmINV0sCLkaPsJCsXymbqk9HkZgE/11cQ=',1795898802853,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223e9-02d5-73f7-af9b-ac29a5559207','01a223e9-02d5-73f8-ba5c-efec2576f038','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795898802901,NULL,'STANDARD_WEBHOOKS',NULL);
INSERT INTO "signing_keys" VALUES('01a223e9-02ea-776a-af5e-a94445400fa8','01a223e9-02ea-776b-be0c-4e1f993ae3d3','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795898802922,NULL,'STANDARD_WEBHOOKS',NULL);
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
INSERT INTO "subscriptions" VALUES('01a223e9-0158-7602-8a22-4dba2870ef80','acme/main','ok','Subscription ok','http://127.0.0.1:8080/ok','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795898802520,1795898802853,NULL,9,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-015d-70a3-9890-7b194be3a6e1','acme/main','failing','Subscription failing','http://127.0.0.1:8080/fails','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}','{"delays_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795898802525,1795898802525,NULL,2,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-0161-75db-bf95-69643bc7e3ed','acme/main','exhausted','Subscription exhausted','http://127.0.0.1:8080/fails','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}','{"delays_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795898802528,1795898802528,NULL,3,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-0163-70de-a8d4-ef850c1556f3','acme/main','gone','Subscription gone','http://127.0.0.1:8080/gone','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795898802531,1795898802555,NULL,6,NULL,'','',0,NULL,NULL,1795898802555,'GONE',0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-0166-75f4-91a3-015528a0500a','acme/main','deleted','Subscription deleted','http://127.0.0.1:8080/ok','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795898802534,1795898802534,1795898802685,7,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-02a1-725c-b83d-d0565decec1a','acme/main','listener','Subscription listener','http://127.0.0.1:8080/ok','["tidings.*"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795898802849,1795898802849,NULL,8,NULL,'','event.type.startsWith(''tidings.'')',0,'X-API-Key','an-api-key',NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-02d5-73f7-af9b-ac29a5559207','acme/main','hanging','Subscription hanging','http://127.0.0.1:8080/hangs','["hanging.one"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795898802901,1795898802901,NULL,10,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-02ea-776a-af5e-a94445400fa8','acme/main','paused','Subscription paused','http://127.0.0.1:8080/hangs','["paused.one"]','{}',0,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795898802922,1795898802962,NULL,12,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
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
