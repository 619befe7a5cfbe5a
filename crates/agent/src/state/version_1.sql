-- A state as the first version of the schema made it, with a service that was deployed three times: the newest release
-- serves, the one before is being drained, the first has ended. What is here stays as it is.
BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE environments (
    app TEXT NOT NULL, environment TEXT NOT NULL,
    generation INTEGER NOT NULL, newest_moment TEXT,
    PRIMARY KEY (app, environment)
) STRICT;
CREATE TABLE services (
    app TEXT NOT NULL, environment TEXT NOT NULL, service TEXT NOT NULL,
    active TEXT, boot_ms INTEGER, stop_ms INTEGER,
    PRIMARY KEY (app, environment, service)
) STRICT;
CREATE TABLE releases (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL, environment TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL,
    state TEXT NOT NULL, served INTEGER NOT NULL, release TEXT NOT NULL,
    UNIQUE (app, environment, service, version)
) STRICT;
CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    app TEXT NOT NULL, environment TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL,
    ordinal INTEGER NOT NULL, address TEXT
) STRICT;
CREATE INDEX instances_of_release ON instances (app, environment, service, version);
CREATE TABLE transactions (
    app TEXT NOT NULL, environment TEXT NOT NULL, number INTEGER NOT NULL,
    kind TEXT NOT NULL, holder TEXT NOT NULL, version TEXT NOT NULL, services TEXT NOT NULL,
    begun TEXT NOT NULL, ended TEXT, outcome TEXT, why TEXT,
    PRIMARY KEY (app, environment, number)
) STRICT;
CREATE TABLE receipts (
    app TEXT NOT NULL, environment TEXT NOT NULL, number INTEGER NOT NULL,
    service TEXT NOT NULL, version TEXT NOT NULL, receipt TEXT NOT NULL,
    PRIMARY KEY (app, environment, number, service)
) STRICT;
CREATE TABLE leases (
    app TEXT NOT NULL, environment TEXT NOT NULL,
    token INTEGER NOT NULL, holder TEXT NOT NULL, heartbeat TEXT NOT NULL, expires TEXT NOT NULL,
    PRIMARY KEY (app, environment)
) STRICT;
INSERT INTO meta VALUES ('fingerprint_key', x'0707070707070707070707070707070707070707070707070707070707070707');
INSERT INTO environments VALUES ('a', 'dev', 3, '20260101000003');
INSERT INTO services VALUES ('a', 'dev', 'web', '1.0.0-20260101000003', 320, 40);
INSERT INTO releases VALUES (1, 'a', 'dev', 'web', '1.0.0-20260101000001', 'kept', 1,
    '{"id":"web@1.0.0-20260101000001","app":"a","environment":"dev","artifact":"blake3:1111111111111111111111111111111111111111111111111111111111111111","config":"blake3:7d5c70a167bc015243a8e491d494fb199427493e919cc72e04243518ec510ac9","secrets":{"KEY":"0123456789abcdef"},"schema":null,"spec":{"kind":"web","run":"./serve","build":null,"dependencies":"auto","output":null,"test":["./check"],"health":{"path":"/healthz","status":[200,399],"interval":1000,"timeout":1000,"start_period":15000,"stable":3000},"replicas":2,"stop":{"signal":"TERM","grace":10000},"backoff":{"first":100,"max":30000},"volumes":{"data":"data"},"env":{"LOG":"info"},"secrets":["KEY"],"limits":{"memory":null,"files":null,"log_size":null,"log_files":null},"route":{"listen":"127.0.0.1:8080","host":"a.localhost","prefix":"/","strip":false,"hold":{"requests":10000,"bytes":67108864,"time":60000}},"strategy":"blue-green","keep":3,"drain":30000},"created":"2026-01-01T00:00:00.000Z"}');
INSERT INTO releases VALUES (2, 'a', 'dev', 'web', '1.0.0-20260101000002', 'retiring', 1,
    '{"id":"web@1.0.0-20260101000002","app":"a","environment":"dev","artifact":"blake3:1111111111111111111111111111111111111111111111111111111111111111","config":"blake3:7d5c70a167bc015243a8e491d494fb199427493e919cc72e04243518ec510ac9","secrets":{"KEY":"0123456789abcdef"},"schema":null,"spec":{"kind":"web","run":"./serve","build":null,"dependencies":"auto","output":null,"test":["./check"],"health":{"path":"/healthz","status":[200,399],"interval":1000,"timeout":1000,"start_period":15000,"stable":3000},"replicas":2,"stop":{"signal":"TERM","grace":10000},"backoff":{"first":100,"max":30000},"volumes":{"data":"data"},"env":{"LOG":"info"},"secrets":["KEY"],"limits":{"memory":null,"files":null,"log_size":null,"log_files":null},"route":{"listen":"127.0.0.1:8080","host":"a.localhost","prefix":"/","strip":false,"hold":{"requests":10000,"bytes":67108864,"time":60000}},"strategy":"blue-green","keep":3,"drain":30000},"created":"2026-01-01T00:00:00.000Z"}');
INSERT INTO releases VALUES (3, 'a', 'dev', 'web', '1.0.0-20260101000003', 'active', 1,
    '{"id":"web@1.0.0-20260101000003","app":"a","environment":"dev","artifact":"blake3:1111111111111111111111111111111111111111111111111111111111111111","config":"blake3:7d5c70a167bc015243a8e491d494fb199427493e919cc72e04243518ec510ac9","secrets":{"KEY":"0123456789abcdef"},"schema":null,"spec":{"kind":"web","run":"./serve","build":null,"dependencies":"auto","output":null,"test":["./check"],"health":{"path":"/healthz","status":[200,399],"interval":1000,"timeout":1000,"start_period":15000,"stable":3000},"replicas":2,"stop":{"signal":"TERM","grace":10000},"backoff":{"first":100,"max":30000},"volumes":{"data":"data"},"env":{"LOG":"info"},"secrets":["KEY"],"limits":{"memory":null,"files":null,"log_size":null,"log_files":null},"route":{"listen":"127.0.0.1:8080","host":"a.localhost","prefix":"/","strip":false,"hold":{"requests":10000,"bytes":67108864,"time":60000}},"strategy":"blue-green","keep":3,"drain":30000},"created":"2026-01-01T00:00:00.000Z"}');
INSERT INTO instances VALUES ('7298b6ca8a', 'a', 'dev', 'web', '1.0.0-20260101000002', 1, '127.0.0.1:4001');
INSERT INTO instances VALUES ('25c19e4a82', 'a', 'dev', 'web', '1.0.0-20260101000002', 2, '127.0.0.1:4002');
INSERT INTO instances VALUES ('1205f12292', 'a', 'dev', 'web', '1.0.0-20260101000003', 1, '127.0.0.1:4003');
INSERT INTO instances VALUES ('eeb5babc0e', 'a', 'dev', 'web', '1.0.0-20260101000003', 2, '127.0.0.1:4004');
INSERT INTO transactions VALUES ('a', 'dev', 1, 'deploy', 'anna@laptop', '1.0.0-20260101000001', '["web"]', '2026-01-01T00:00:01.000Z', '2026-01-01T00:00:02.000Z', 'done', NULL);
INSERT INTO transactions VALUES ('a', 'dev', 2, 'deploy', 'anna@laptop', '1.0.0-20260101000002', '["web"]', '2026-01-01T00:00:02.000Z', '2026-01-01T00:00:03.000Z', 'done', NULL);
INSERT INTO transactions VALUES ('a', 'dev', 3, 'deploy', 'anna@laptop', '1.0.0-20260101000003', '["web"]', '2026-01-01T00:00:03.000Z', '2026-01-01T00:00:04.000Z', 'done', NULL);
PRAGMA user_version = 1;
COMMIT;
