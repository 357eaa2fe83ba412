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
INSERT INTO "andiron_meta" VALUES('schema_version','4');
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
INSERT INTO "contacts" VALUES('alice','bob@localhost',1,'both',0,0,'','Bob','["Friends"]');
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
INSERT INTO "offline_messages" VALUES(1,'alice',1700000000.25,'<message from=''bob@localhost/x''><body>ü first</body></message>','',63);
INSERT INTO "offline_messages" VALUES(2,'alice',1700000001.5,'<message from=''bob@localhost/x''><body>second</body></message>','',61);
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
INSERT INTO "room_affiliations" VALUES('garden','alice@localhost','owner','Alice','alice','');
INSERT INTO "room_affiliations" VALUES('garden','bob@localhost','member','Bob',NULL,'');
INSERT INTO "room_affiliations" VALUES('garden','mallory@localhost','outcast','',NULL,'');
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
INSERT INTO "rooms" VALUES('garden','alice@localhost',X'5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A','{"name": "Garden", "persistent": true}','Roses','Alice',1700000000.25,'','');
CREATE TABLE roster_versions (
	username TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (username), 
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
CREATE INDEX uploads_by_age ON uploads (stamp);
CREATE INDEX uploads_by_account ON uploads (username, stamp, size);
CREATE INDEX archive_by_peer ON archive ((owner || ' ' || peer), id, substr(resource, 1, 63));
CREATE INDEX room_archive_by_peer ON room_archive ((owner || ' ' || peer), id, substr(resource, 1, 63));
CREATE INDEX pubsub_entities_by_jid ON pubsub_entities (jid);
CREATE INDEX pubsub_items_in_order ON pubsub_items (node_id, id);
CREATE INDEX ix_room_affiliations_username ON room_affiliations (username);
CREATE INDEX offline_messages_by_sender ON offline_messages (username, sender, size);
COMMIT;
