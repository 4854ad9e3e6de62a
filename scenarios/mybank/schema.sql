-- A small bank. Every kind of object that makes shadow tables hard is here on purpose: foreign keys (one to itself), a trigger to an audit
-- table, a view, generated columns, CHECKs and a partitioned table.

CREATE TABLE branches (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  city VARCHAR(64) NOT NULL,
  unit CHAR(4) NOT NULL
) COMMENT 'Reference data: shadow traffic reads the real one';

CREATE TABLE customers (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  name VARCHAR(120) NOT NULL,
  pin_digest CHAR(64) NOT NULL,
  referred_by BIGINT UNSIGNED NULL,
  FOREIGN KEY (referred_by) REFERENCES customers (id)
);

CREATE TABLE accounts (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  customer_id BIGINT UNSIGNED NOT NULL,
  branch_id INT UNSIGNED NOT NULL,
  balance_cents BIGINT NOT NULL,
  currency CHAR(3) NOT NULL DEFAULT 'EUR',
  balance DECIMAL(20, 2) GENERATED ALWAYS AS (balance_cents / 100) VIRTUAL,
  CONSTRAINT no_overdraft CHECK (balance_cents >= 0),
  KEY by_customer (customer_id),
  FOREIGN KEY (customer_id) REFERENCES customers (id)
);

CREATE TABLE transfers (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  idempotency_key VARCHAR(190) NOT NULL,
  from_account BIGINT UNSIGNED NOT NULL,
  to_account BIGINT UNSIGNED NOT NULL,
  amount_cents BIGINT NOT NULL,
  memo VARCHAR(140) NOT NULL DEFAULT '',
  created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  created_on DATE GENERATED ALWAYS AS (CAST(created_at AS DATE)) VIRTUAL,
  UNIQUE KEY once (idempotency_key),
  CONSTRAINT some_money CHECK (amount_cents > 0),
  CONSTRAINT two_accounts CHECK (from_account <> to_account),
  FOREIGN KEY (from_account) REFERENCES accounts (id),
  FOREIGN KEY (to_account) REFERENCES accounts (id)
) AUTO_INCREMENT = 7000001 COMMENT 'The bank is not new';

CREATE TABLE entries (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  transfer_id BIGINT UNSIGNED NOT NULL,
  account_id BIGINT UNSIGNED NOT NULL,
  side ENUM('debit', 'credit') NOT NULL,
  amount_cents BIGINT NOT NULL,
  UNIQUE KEY once (transfer_id, side),
  FOREIGN KEY (transfer_id) REFERENCES transfers (id),
  FOREIGN KEY (account_id) REFERENCES accounts (id)
);

CREATE TABLE entries_audit (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  entry_id BIGINT UNSIGNED NOT NULL,
  note VARCHAR(200) NOT NULL
);

CREATE TRIGGER entries_are_audited AFTER INSERT ON entries FOR EACH ROW
  INSERT INTO entries_audit (entry_id, note) VALUES (NEW.id, CONCAT(NEW.side, ' ', NEW.amount_cents));

-- A partitioned table cannot have foreign keys.
CREATE TABLE statement_lines (
  account_id BIGINT UNSIGNED NOT NULL,
  booked_at DATETIME(3) NOT NULL,
  transfer_id BIGINT UNSIGNED NOT NULL,
  amount_cents BIGINT NOT NULL,
  text VARCHAR(200) NOT NULL,
  PRIMARY KEY (account_id, transfer_id, booked_at)
) PARTITION BY HASH (account_id) PARTITIONS 8;

CREATE TABLE notices (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  account_id BIGINT UNSIGNED NOT NULL,
  text VARCHAR(400) NOT NULL
) COMMENT 'Letters to customers';

CREATE VIEW account_overview AS
  SELECT a.id, a.customer_id, a.balance_cents, a.balance, a.currency, b.city, b.unit
  FROM accounts a JOIN branches b ON b.id = a.branch_id;
