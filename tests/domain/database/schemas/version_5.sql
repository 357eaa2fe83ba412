BEGIN TRANSACTION;
CREATE TABLE accounts (
	username TEXT NOT NULL, 
	PRIMARY KEY (username)
);
INSERT INTO "accounts" VALUES('alice');
CREATE TABLE andiron_meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "andiron_meta" VALUES('schema_version','5');
CREATE TABLE archive (
	owner TEXT NOT NULL, 
	id BIGINT NOT NULL, 
	peer TEXT NOT NULL, 
	resource TEXT NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (owner, id), 
	FOREIGN KEY(owner) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE archive_preferences (
	username TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	always TEXT NOT NULL, 
	never TEXT NOT NULL, 
	PRIMARY KEY (username), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE blocked (
	username TEXT NOT NULL, 
	jid TEXT NOT NULL, 
	PRIMARY KEY (username, jid), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE contacts (
	username TEXT NOT NULL, 
	jid TEXT NOT NULL, 
	listed BOOLEAN NOT NULL, 
	subscription TEXT NOT NULL, 
	ask BOOLEAN NOT NULL, 
	approved BOOLEAN NOT NULL, 
	request TEXT NOT NULL, 
	name TEXT NOT NULL, 
	groups TEXT NOT NULL, 
	PRIMARY KEY (username, jid), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE credentials (
	username TEXT NOT NULL, 
	mechanism TEXT NOT NULL, 
	iterations INTEGER NOT NULL, 
	salt BLOB NOT NULL, 
	stored_key BLOB NOT NULL, 
	server_key BLOB NOT NULL, 
	PRIMARY KEY (username, mechanism), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
INSERT INTO "credentials" VALUES('alice','SCRAM-SHA-512',4096,X'17EC79F066020111AA69D11DF209E5DD',X'A1B6DAE22F21965D07C49D331C3DBA4DAAA847EB21A43C813E3009F1A3A4FBBB5A3520E17A2E6FED8F5752E37BD0C9720FFA39113CA8A5E836CB00A237FC474E',X'ECD357DF68476673E79A43986DF8C425ECAF01D943E25E1BB2212F1EC8F5E820214ED0A81D4C1E81012E132EE1ED1ADDF88EC09A45B0497618A02C78B83EE79A');
INSERT INTO "credentials" VALUES('alice','SCRAM-SHA-256',4096,X'F70EDC8D755AA0269F84B1319D4E6DCD',X'14C65A30576F70BDD78B29810346BDE65410E66EF04CFA700AE5DE2033647C3B',X'F8869E4C84A952BC8FB45B32DD40CC74644661230693507D7E69A599FBBD4431');
INSERT INTO "credentials" VALUES('alice','SCRAM-SHA-1',4096,X'EAF305184504A5EEAFF0EA1C173BBB99',X'F71E96A6592288F0AE61C295752026A308483EFE',X'1AB33282F3F06324833DB3FE79342D09DC69BAFA');
CREATE TABLE directory (
	entry TEXT NOT NULL, 
	username TEXT NOT NULL, 
	shown TEXT NOT NULL, 
	PRIMARY KEY (entry, username), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE disabled_accounts (
	username TEXT NOT NULL, 
	PRIMARY KEY (username), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE introductions (
	username TEXT NOT NULL, 
	name TEXT NOT NULL, 
	photo TEXT NOT NULL, 
	PRIMARY KEY (username), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE last_seen (
	username TEXT NOT NULL, 
	stamp DOUBLE NOT NULL, 
	PRIMARY KEY (username), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE offline_messages (
	id INTEGER NOT NULL, 
	username TEXT NOT NULL, 
	stamp DOUBLE NOT NULL, 
	text TEXT NOT NULL, sender TEXT DEFAULT '' NOT NULL, size BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE private_storage (
	username TEXT NOT NULL, 
	tag TEXT NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (username, tag), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE pubsub_entities (
	node_id BIGINT NOT NULL, 
	jid TEXT NOT NULL, 
	affiliation TEXT NOT NULL, 
	subscribed BOOLEAN NOT NULL, 
	PRIMARY KEY (node_id, jid), 
	FOREIGN KEY(node_id) REFERENCES pubsub_nodes (id) ON DELETE CASCADE
);
CREATE TABLE pubsub_items (
	id INTEGER NOT NULL, 
	node_id BIGINT NOT NULL, 
	item TEXT NOT NULL, 
	publisher TEXT NOT NULL, 
	stamp DOUBLE NOT NULL, 
	bytes BIGINT NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (node_id, item), 
	FOREIGN KEY(node_id) REFERENCES pubsub_nodes (id) ON DELETE CASCADE
);
CREATE TABLE pubsub_nodes (
	id INTEGER NOT NULL, 
	username TEXT NOT NULL, 
	node TEXT NOT NULL, 
	config TEXT NOT NULL, 
	item_count BIGINT NOT NULL, 
	byte_count BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (username, node), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE room_affiliations (
	room TEXT NOT NULL, 
	jid TEXT NOT NULL, 
	affiliation TEXT NOT NULL, 
	nick TEXT NOT NULL, 
	username TEXT, reason TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (room, jid), 
	FOREIGN KEY(room) REFERENCES rooms (name) ON DELETE CASCADE, 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE room_archive (
	owner TEXT NOT NULL, 
	id BIGINT NOT NULL, 
	peer TEXT NOT NULL, 
	resource TEXT NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (owner, id)
);
CREATE TABLE rooms (
	name TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	secret BLOB NOT NULL, 
	config TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	subject_nick TEXT NOT NULL, 
	subject_stamp DOUBLE NOT NULL, 
	vcard TEXT NOT NULL, subject_lang TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE roster_versions (
	username TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (username), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE shared_groups (
	name TEXT NOT NULL, 
	username TEXT NOT NULL, 
	said BOOLEAN NOT NULL, 
	PRIMARY KEY (name, username, said), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE uploads (
	id TEXT NOT NULL, 
	username TEXT NOT NULL, 
	name TEXT NOT NULL, 
	type TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	stamp DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE TABLE vcards (
	username TEXT NOT NULL, 
	text TEXT NOT NULL, 
	photo TEXT NOT NULL, 
	PRIMARY KEY (username), 
	FOREIGN KEY(username) REFERENCES accounts (username) ON DELETE CASCADE
);
CREATE INDEX offline_messages_by_account ON offline_messages (username, id);
CREATE INDEX contacts_by_jid ON contacts (jid);
CREATE INDEX uploads_by_account ON uploads (username, stamp, size);
CREATE INDEX uploads_by_age ON uploads (stamp);
CREATE INDEX archive_by_peer ON archive ((owner || ' ' || peer), id, substr(resource, 1, 63));
CREATE INDEX room_archive_by_peer ON room_archive ((owner || ' ' || peer), id, substr(resource, 1, 63));
CREATE INDEX pubsub_entities_by_jid ON pubsub_entities (jid);
CREATE INDEX pubsub_items_in_order ON pubsub_items (node_id, id);
CREATE INDEX ix_room_affiliations_username ON room_affiliations (username);
CREATE INDEX offline_messages_by_sender ON offline_messages (username, sender, size);
CREATE INDEX directory_by_account ON directory (username);
CREATE INDEX shared_groups_by_account ON shared_groups (username);
COMMIT;
