-- The shop's year, in SQL that SQLite and PostgreSQL both run. Everything is a function of the row
-- number, so every fill gives the same rows. The number of orders comes from shop_filled, whose row
-- was written just before in the same transaction.

CREATE TABLE shop_region (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO shop_region VALUES
    (0, 'north'), (1, 'south'), (2, 'east'), (3, 'west'),
    (4, 'centre'), (5, 'coast'), (6, 'highlands'), (7, 'islands');

CREATE TABLE shop_product (id INTEGER PRIMARY KEY, category TEXT NOT NULL, cents BIGINT NOT NULL);
WITH RECURSIVE series(n) AS (
    SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM series WHERE n < 499
)
INSERT INTO shop_product
SELECT n,
       CASE n % 6 WHEN 0 THEN 'books' WHEN 1 THEN 'garden' WHEN 2 THEN 'kitchen'
                  WHEN 3 THEN 'music' WHEN 4 THEN 'sports' ELSE 'toys' END,
       199 + (n * 7919) % 9800
FROM series;

CREATE TABLE shop_order (
    id INTEGER PRIMARY KEY, region_id BIGINT NOT NULL, customer_id BIGINT NOT NULL, month TEXT NOT NULL
);
WITH RECURSIVE series(n) AS (
    SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM series WHERE n < (SELECT orders FROM shop_filled)
)
INSERT INTO shop_order
SELECT n,
       (n * 7919 / 13) % 8,
       (n * 104729) % 30011,
       CASE WHEN n % 12 < 9 THEN '2025-0' ELSE '2025-' END || (n % 12 + 1)
FROM series;

CREATE TABLE shop_order_line (
    order_id INTEGER NOT NULL, product_id INTEGER NOT NULL, quantity INTEGER NOT NULL
);
INSERT INTO shop_order_line
SELECT o.id, (o.id * 31 + line.n * 17) % 500, 1 + (o.id + line.n) % 5
FROM shop_order o
CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) line
WHERE line.n <= 1 + o.id % 7;

-- Without it PostgreSQL would plan the first reports for empty tables.
ANALYZE;
