-- agent.status.changed and others, by 0001_first_tables, at 1795886103371
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tidings','0001_first_tables','2026-11-28 17:14:47.911680+00:00');
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
INSERT INTO "attempts" VALUES('01a22326-ff3d-7113-ba23-5a3b7a105fc8',1,'SUCCEEDED',1795886088002,13,204,'[["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:41429','["01a22326-ff0f-7194-b4bc-10ab895f9bf5"]');
INSERT INTO "attempts" VALUES('01a22326-ff3d-7114-9690-8fb8e15fb36b',1,'REJECTED',1795886088004,13,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:41429','["01a22326-ff18-7193-a67b-446f7ae480c5"]');
INSERT INTO "attempts" VALUES('01a22326-ff3d-7115-b00f-6983f839bf3e',1,'REJECTED',1795886088007,11,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:41429','["01a22326-ff1e-71a0-9773-2c3eb76a1718"]');
INSERT INTO "attempts" VALUES('01a22326-ff3d-7116-9e05-8c425464611b',1,'GONE',1795886088008,11,410,'[["Content-Length","0"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'the receiver answered 410: it wants nothing more','127.0.0.1:41429','["01a22326-ff25-75f9-b873-3cab550f4172"]');
INSERT INTO "attempts" VALUES('01a22326-ff3d-7117-a32c-45d1830f4d56',1,'SUCCEEDED',1795886088008,10,204,'[["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:41429','["01a22326-ff35-751c-bf23-a3007417d652"]');
INSERT INTO "attempts" VALUES('01a22326-ff3d-7115-b00f-6983f839bf3e',2,'REJECTED',1795886088142,7,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:41429','["01a22326-ff1e-71a0-9773-2c3eb76a1718"]');
INSERT INTO "attempts" VALUES('01a22326-ffee-77c4-a54c-7040f3f093a5',1,'SUCCEEDED',1795886088178,3,204,'[["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:41429','["01a22326-ff0f-7194-b4bc-10ab895f9bf5"]');
INSERT INTO "attempts" VALUES('01a22326-ffee-77c5-88f6-6470feb6580f',1,'REJECTED',1795886088178,3,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:41429','["01a22326-ff18-7193-a67b-446f7ae480c5"]');
INSERT INTO "attempts" VALUES('01a22326-ffee-77c6-a5b1-8b86a606f87a',1,'REJECTED',1795886088178,3,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:41429','["01a22326-ff1e-71a0-9773-2c3eb76a1718"]');
INSERT INTO "attempts" VALUES('01a22326-ffee-77c7-9178-378b0ea90852',1,'GONE',1795886088179,3,410,'[["Content-Length","0"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'the receiver answered 410: it wants nothing more','127.0.0.1:41429','["01a22326-ff25-75f9-b873-3cab550f4172"]');
INSERT INTO "attempts" VALUES('01a22326-ffee-77c6-a5b1-8b86a606f87a',2,'REJECTED',1795886088300,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 17:14:48 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:41429','["01a22326-ff1e-71a0-9773-2c3eb76a1718"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d1-bf5c-41ecaa3d4b4e',1,'TIMED_OUT',1795886088322,15001,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d2-8186-d47464d8a59f',1,'TIMED_OUT',1795886088322,15001,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d3-9d7e-63dac8ad9909',1,'TIMED_OUT',1795886088323,15001,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d4-bad7-8d890d4a2ca9',1,'TIMED_OUT',1795886088323,15001,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d5-94b6-2ab24dbf6d39',1,'TIMED_OUT',1795886088323,15001,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d6-8c4d-6eddba8d7b14',1,'TIMED_OUT',1795886088323,15001,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d7-9a13-2cebb6532a7a',1,'TIMED_OUT',1795886088324,15000,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-007c-72d8-b189-4bb3f07483f3',1,'TIMED_OUT',1795886088324,15006,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-0077-7794-ad48-6c1165c67031"]');
INSERT INTO "attempts" VALUES('01a22327-008f-7592-85a0-8dc09eed6f5c',1,'TIMED_OUT',1795886088342,15009,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
INSERT INTO "attempts" VALUES('01a22327-0090-7796-a1a1-e7d68c0edd96',1,'TIMED_OUT',1795886088342,15009,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
INSERT INTO "attempts" VALUES('01a22327-0090-7797-bc18-b587e002a796',1,'TIMED_OUT',1795886088343,15008,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
INSERT INTO "attempts" VALUES('01a22327-0090-7798-9758-88e8e02f1663',1,'TIMED_OUT',1795886088343,15008,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
INSERT INTO "attempts" VALUES('01a22327-0090-7799-ae09-6956d5317651',1,'TIMED_OUT',1795886088343,15008,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
INSERT INTO "attempts" VALUES('01a22327-0090-779a-bdd7-1b5e2629a31c',1,'TIMED_OUT',1795886088344,15008,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
INSERT INTO "attempts" VALUES('01a22327-0090-779b-b2e7-c5ad4420b930',1,'TIMED_OUT',1795886088344,15007,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
INSERT INTO "attempts" VALUES('01a22327-0090-779c-aada-bd3a09e68a38',1,'TIMED_OUT',1795886088344,15007,NULL,'[]',X'',0,'no response within 15 s','127.0.0.1:41429','["01a22327-008a-742f-ae4c-d94ece486249"]');
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
    );
INSERT INTO "event_types" VALUES('agent.status.changed','agent.status.changed','','',NULL,NULL,'[]','[]',0,1795886087946,1795886087946,1795886087946);
INSERT INTO "event_types" VALUES('hanging.one','hanging.one','','',NULL,NULL,'[]','[]',0,1795886088309,1795886088309,1795886088309);
INSERT INTO "event_types" VALUES('paused.one','paused.one','','',NULL,NULL,'[]','[]',0,1795886088321,1795886088321,1795886088321);
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
        payload BYTEA NOT NULL,
        PRIMARY KEY (workspace, id)
    );
INSERT INTO "events" VALUES('acme/main','01a22326-ff3c-703d-b8b5-d8d127faa9c3','agent.status.changed','agents/a-17','','{"team":"a"}','application/json',1,NULL,1795886087996,X'CDE2CA7C86760958A5C56ED21C980F7012B150A4819B274FC806EA42A4500D19',15,5,'',X'7B226669727374223A20747275657D');
INSERT INTO "events" VALUES('acme/main','01a22326-ffec-745e-9510-3f7b12f97f3e','agent.status.changed','','','{}','application/json',1,NULL,1795886088172,X'7A5DC9D412D870E6FFD53CDBC8734AF377983AFF1111FF1FE2309822DCA22149',16,4,'',X'7B227365636F6E64223A20747275657D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b1-a640-4cabb7782101','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b2-a870-9bd0f95c34ce','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b3-9532-a89e91a5b006','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b4-8751-7ae535b7f40a','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b5-9284-ed3543560af9','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b6-8e46-e558f8638706','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b7-93c0-2257eb68ae6a','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b8-917b-e11804a29bf9','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76b9-95fe-059ee946ce7f','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76ba-8b91-692e570b72f4','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76bb-875b-09590d5b27de','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-007a-76bc-a919-99ec2b126cbd','hanging.one','','','{}','application/json',1,NULL,1795886088314,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7542-a682-49136492038e','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7543-a03a-b464591f6882','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7544-b9c3-e0b131207791','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7545-bdda-82c8048f404d','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7546-bd9d-0fa9a1374dd4','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7547-af45-1aca031875da','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7548-867b-be8f8c701d7e','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-7549-b81a-3ff3ce397c0d','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-754a-80b4-3bc95db25100','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-754b-a536-e89f8902ab4c','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-754c-8397-25c720144a37','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
INSERT INTO "events" VALUES('acme/main','01a22327-008d-754d-af10-f31f56555722','paused.one','','','{}','application/json',1,NULL,1795886088333,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D');
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
        failure_reason TEXT,
        FOREIGN KEY (workspace, event_id) REFERENCES events (workspace, id)
    );
INSERT INTO "notifications" VALUES('01a22326-ff3d-7113-ba23-5a3b7a105fc8','acme/main','01a22326-ff3c-703d-b8b5-d8d127faa9c3','01a22326-ff0f-7195-be14-a02c22d20d56','ok','agent.status.changed','SUCCEEDED',1795886147999,0,1,NULL,1795886087999,1,0,0,1795886087997,1795886088015,NULL);
INSERT INTO "notifications" VALUES('01a22326-ff3d-7114-9690-8fb8e15fb36b','acme/main','01a22326-ff3c-703d-b8b5-d8d127faa9c3','01a22326-ff18-7194-949f-6ae27731ad41','failing','agent.status.changed','WAITING',1795890042917,0,1,NULL,1795886087999,1,1,0,1795886087997,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22326-ff3d-7115-b00f-6983f839bf3e','acme/main','01a22326-ff3c-703d-b8b5-d8d127faa9c3','01a22326-ff1e-71a1-ba26-dbce67b78ad4','exhausted','agent.status.changed','FAILED',1795886148136,0,2,NULL,1795886088136,2,1,0,1795886087997,1795886088149,'ATTEMPTS_EXHAUSTED');
INSERT INTO "notifications" VALUES('01a22326-ff3d-7116-9e05-8c425464611b','acme/main','01a22326-ff3c-703d-b8b5-d8d127faa9c3','01a22326-ff25-75fa-bfa7-c66e1a956b52','gone','agent.status.changed','FAILED',1795886147999,0,1,NULL,1795886087999,1,0,0,1795886087997,1795886088019,'GONE');
INSERT INTO "notifications" VALUES('01a22326-ff3d-7117-a32c-45d1830f4d56','acme/main','01a22326-ff3c-703d-b8b5-d8d127faa9c3','01a22326-ff35-751d-bede-a6e32aa7187e','deleted','agent.status.changed','SUCCEEDED',1795886147999,0,1,NULL,1795886087999,1,0,0,1795886087997,1795886088019,NULL);
INSERT INTO "notifications" VALUES('01a22326-ffee-77c4-a54c-7040f3f093a5','acme/main','01a22326-ffec-745e-9510-3f7b12f97f3e','01a22326-ff0f-7195-be14-a02c22d20d56','ok','agent.status.changed','SUCCEEDED',1795886148175,0,1,NULL,1795886088175,1,0,0,1795886088174,1795886088181,NULL);
INSERT INTO "notifications" VALUES('01a22326-ffee-77c5-88f6-6470feb6580f','acme/main','01a22326-ffec-745e-9510-3f7b12f97f3e','01a22326-ff18-7194-949f-6ae27731ad41','failing','agent.status.changed','WAITING',1795889269670,0,1,NULL,1795886088175,1,1,0,1795886088174,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22326-ffee-77c6-a5b1-8b86a606f87a','acme/main','01a22326-ffec-745e-9510-3f7b12f97f3e','01a22326-ff1e-71a1-ba26-dbce67b78ad4','exhausted','agent.status.changed','FAILED',1795886148298,0,2,NULL,1795886088298,2,1,0,1795886088174,1795886088302,'ATTEMPTS_EXHAUSTED');
INSERT INTO "notifications" VALUES('01a22326-ffee-77c7-9178-378b0ea90852','acme/main','01a22326-ffec-745e-9510-3f7b12f97f3e','01a22326-ff25-75fa-bfa7-c66e1a956b52','gone','agent.status.changed','FAILED',1795886148175,0,1,NULL,1795886088175,1,0,0,1795886088174,1795886088186,'GONE');
INSERT INTO "notifications" VALUES('01a22327-007c-72d1-bf5c-41ecaa3d4b4e','acme/main','01a22327-007a-76b1-a640-4cabb7782101','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886107442,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d2-8186-d47464d8a59f','acme/main','01a22327-007a-76b2-a870-9bd0f95c34ce','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886108216,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d3-9d7e-63dac8ad9909','acme/main','01a22327-007a-76b3-9532-a89e91a5b006','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886108683,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d4-bad7-8d890d4a2ca9','acme/main','01a22327-007a-76b4-8751-7ae535b7f40a','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886107463,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d5-94b6-2ab24dbf6d39','acme/main','01a22327-007a-76b5-9284-ed3543560af9','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886107780,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d6-8c4d-6eddba8d7b14','acme/main','01a22327-007a-76b6-8e46-e558f8638706','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886107598,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d7-9a13-2cebb6532a7a','acme/main','01a22327-007a-76b7-93c0-2257eb68ae6a','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886109005,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d8-b189-4bb3f07483f3','acme/main','01a22327-007a-76b8-917b-e11804a29bf9','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886108509,0,1,NULL,1795886088318,1,1,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72d9-ad29-e16b56d71838','acme/main','01a22327-007a-76b9-95fe-059ee946ce7f','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886163350,0,1,'01a22326-fef8-7272-9042-35b5800faf58',1795886103350,0,0,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72da-8af9-51d2d70ea295','acme/main','01a22327-007a-76ba-8b91-692e570b72f4','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886163354,0,1,'01a22326-fef8-7272-9042-35b5800faf58',1795886103354,0,0,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72db-94f3-6c0dab5beca0','acme/main','01a22327-007a-76bb-875b-09590d5b27de','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886163354,0,1,'01a22326-fef8-7272-9042-35b5800faf58',1795886103354,0,0,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-007c-72dc-9d48-4cfbff8409e8','acme/main','01a22327-007a-76bc-a919-99ec2b126cbd','01a22327-0077-7795-8e96-c6619bb2cf4c','hanging','hanging.one','WAITING',1795886163354,0,1,'01a22326-fef8-7272-9042-35b5800faf58',1795886103354,0,0,0,1795886088316,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-008f-7592-85a0-8dc09eed6f5c','acme/main','01a22327-008d-7542-a682-49136492038e','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886108922,0,1,NULL,1795886088337,1,1,0,1795886088335,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-7796-a1a1-e7d68c0edd96','acme/main','01a22327-008d-7543-a03a-b464591f6882','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886107636,0,1,NULL,1795886088337,1,1,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-7797-bc18-b587e002a796','acme/main','01a22327-008d-7544-b9c3-e0b131207791','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886109236,0,1,NULL,1795886088337,1,1,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-7798-9758-88e8e02f1663','acme/main','01a22327-008d-7545-bdda-82c8048f404d','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886108918,0,1,NULL,1795886088337,1,1,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-7799-ae09-6956d5317651','acme/main','01a22327-008d-7546-bd9d-0fa9a1374dd4','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886108504,0,1,NULL,1795886088337,1,1,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-779a-bdd7-1b5e2629a31c','acme/main','01a22327-008d-7547-af45-1aca031875da','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886109195,0,1,NULL,1795886088337,1,1,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-779b-b2e7-c5ad4420b930','acme/main','01a22327-008d-7548-867b-be8f8c701d7e','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886108998,0,1,NULL,1795886088337,1,1,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-779c-aada-bd3a09e68a38','acme/main','01a22327-008d-7549-b81a-3ff3ce397c0d','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1795886108574,0,1,NULL,1795886088337,1,1,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-779d-bc2d-61c180d7ae1e','acme/main','01a22327-008d-754a-80b4-3bc95db25100','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1797095703359,1,0,NULL,NULL,0,0,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-779e-873a-11b6fdff4697','acme/main','01a22327-008d-754b-a536-e89f8902ab4c','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1797095703359,1,0,NULL,NULL,0,0,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-779f-9243-32dc97b8cf37','acme/main','01a22327-008d-754c-8397-25c720144a37','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1797095703359,1,0,NULL,NULL,0,0,0,1795886088336,NULL,NULL);
INSERT INTO "notifications" VALUES('01a22327-0090-77a0-a8ba-a3056a7bfdf5','acme/main','01a22327-008d-754d-af10-f31f56555722','01a22327-008a-7430-8349-0bd1e3c9a2cc','paused','paused.one','WAITING',1797095703359,1,0,NULL,NULL,0,0,0,1795886088336,NULL,NULL);
CREATE TABLE publish_requests (
        workspace TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        event_id TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, request_id)
    );
INSERT INTO "publish_requests" VALUES('acme/main','request-1',X'006D83D1450CCB7E5EA275CE9BFB4FE3DCFB0C5079B70584440CDC1CE8792FC9','01a22326-ff3c-703d-b8b5-d8d127faa9c3',1795886087996);
CREATE TABLE signing_keys (
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        key_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT,
        PRIMARY KEY (subscription_uid, key_id)
    );
INSERT INTO "signing_keys" VALUES('01a22326-ff0f-7195-be14-a02c22d20d56','01a22326-ff0f-7194-b4bc-10ab895f9bf5','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795886087951,NULL);
INSERT INTO "signing_keys" VALUES('01a22326-ff18-7194-949f-6ae27731ad41','01a22326-ff18-7193-a67b-446f7ae480c5','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795886087960,NULL);
INSERT INTO "signing_keys" VALUES('01a22326-ff1e-71a1-ba26-dbce67b78ad4','01a22326-ff1e-71a0-9773-2c3eb76a1718','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795886087966,NULL);
INSERT INTO "signing_keys" VALUES('01a22326-ff25-75fa-bfa7-c66e1a956b52','01a22326-ff25-75f9-b873-3cab550f4172','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795886087973,NULL);
INSERT INTO "signing_keys" VALUES('01a22327-0077-7795-8e96-c6619bb2cf4c','01a22327-0077-7794-ad48-6c1165c67031','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795886088311,NULL);
INSERT INTO "signing_keys" VALUES('01a22327-008a-7430-8349-0bd1e3c9a2cc','01a22327-008a-742f-ae4c-d94ece486249','whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=',1795886088330,NULL);
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
    );
INSERT INTO "subscriptions" VALUES('01a22326-ff0f-7195-be14-a02c22d20d56','acme/main','ok','Subscription ok','http://127.0.0.1:8080/ok','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795886087951,1795886087951,NULL,1,NULL,'');
INSERT INTO "subscriptions" VALUES('01a22326-ff18-7194-949f-6ae27731ad41','acme/main','failing','Subscription failing','http://127.0.0.1:8080/fails','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}','{"delays_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795886087960,1795886087960,NULL,2,NULL,'');
INSERT INTO "subscriptions" VALUES('01a22326-ff1e-71a1-ba26-dbce67b78ad4','acme/main','exhausted','Subscription exhausted','http://127.0.0.1:8080/fails','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}','{"delays_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795886087966,1795886087966,NULL,3,NULL,'');
INSERT INTO "subscriptions" VALUES('01a22326-ff25-75fa-bfa7-c66e1a956b52','acme/main','gone','Subscription gone','http://127.0.0.1:8080/gone','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795886087973,1795886087973,NULL,4,NULL,'');
INSERT INTO "subscriptions" VALUES('01a22326-ff35-751d-bede-a6e32aa7187e','acme/main','deleted','Subscription deleted','http://127.0.0.1:8080/ok','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795886087989,1795886087989,1795886088166,6,NULL,'');
INSERT INTO "subscriptions" VALUES('01a22327-0077-7795-8e96-c6619bb2cf4c','acme/main','hanging','Subscription hanging','http://127.0.0.1:8080/hangs','["hanging.one"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795886088311,1795886088311,NULL,7,NULL,'');
INSERT INTO "subscriptions" VALUES('01a22327-008a-7430-8349-0bd1e3c9a2cc','acme/main','paused','Subscription paused','http://127.0.0.1:8080/hangs','["paused.one"]','{}',0,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795886088330,1795886088364,NULL,9,NULL,'');
CREATE TABLE workspaces (
        workspace TEXT NOT NULL PRIMARY KEY,
        revision BIGINT NOT NULL
    );
INSERT INTO "workspaces" VALUES('acme/main',9);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX subscriptions_by_id ON subscriptions (workspace, id) WHERE delete_time IS NULL;
CREATE UNIQUE INDEX subscriptions_by_display_name ON subscriptions (workspace, display_name)
    WHERE delete_time IS NULL
    ;
CREATE INDEX subscriptions_by_revision ON subscriptions (workspace, revision);
CREATE INDEX subscriptions_to_sweep ON subscriptions (uid) WHERE sweep IS NOT NULL;
CREATE INDEX events_by_time ON events (workspace, create_time, id);
CREATE INDEX notifications_lane ON notifications (subscription_uid, due_at) WHERE state = 'READY';
CREATE INDEX notifications_timer ON notifications (due_at) WHERE state = 'WAITING' AND lease_owner IS NULL;
CREATE INDEX notifications_leases ON notifications (due_at) WHERE lease_owner IS NOT NULL;
CREATE INDEX notifications_pending ON notifications (subscription_uid, complete_time, id)
    WHERE complete_time IS NULL
    ;
CREATE INDEX notifications_by_workspace ON notifications (workspace, id);
CREATE INDEX notifications_by_event ON notifications (workspace, event_id, id);
CREATE INDEX notifications_by_subscription ON notifications (subscription_uid, id);
COMMIT;
