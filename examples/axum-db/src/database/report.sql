-- One region's year by month and category, beside what all regions sold. Every order line of the
-- shop is read, joined and grouped: no index can shorten it, which is why the answer is worth keeping.
-- SQLite and PostgreSQL both run this text. The casts bring PostgreSQL's NUMERIC sums back to BIGINT.
WITH sale AS (
    SELECT o.month, p.category, o.region_id, o.id AS order_id, o.customer_id,
           l.quantity, l.quantity * p.cents AS cents
    FROM shop_order_line l
    JOIN shop_order o ON o.id = l.order_id
    JOIN shop_product p ON p.id = l.product_id
),
everywhere AS (
    SELECT month, category, SUM(cents) AS cents FROM sale GROUP BY month, category
),
here AS (
    SELECT month, category,
           COUNT(DISTINCT order_id) AS orders,
           COUNT(DISTINCT customer_id) AS customers,
           SUM(quantity) AS items,
           SUM(cents) AS cents
    FROM sale
    WHERE region_id = (SELECT id FROM shop_region WHERE name = $1)
    GROUP BY month, category
)
SELECT here.month,
       here.category,
       here.orders,
       here.customers,
       CAST(here.items AS BIGINT),
       CAST(here.cents AS BIGINT),
       CAST(ROUND(100.0 * here.cents / everywhere.cents, 2) AS DOUBLE PRECISION),
       RANK() OVER (PARTITION BY here.month ORDER BY here.cents DESC),
       CAST(SUM(here.cents) OVER (PARTITION BY here.category ORDER BY here.month) AS BIGINT)
FROM here
JOIN everywhere ON everywhere.month = here.month AND everywhere.category = here.category
ORDER BY here.month, here.category
