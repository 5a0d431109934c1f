//! The first fill: once, whole, and kept.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod support;

use axum_db::{Database, DatabaseLocation, Region, Report};
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use support::{ORDERS, file_in};

#[tokio::test]
async fn a_second_start_keeps_the_rows_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = Database::open(&file_in(&folder), ORDERS).await.unwrap();
    let before = rows(&first).await;
    first.close().await;

    let second = Database::open(&file_in(&folder), 2 * ORDERS).await.unwrap();
    assert_eq!(second.orders(), ORDERS);
    assert_eq!(rows(&second).await, before);
}

#[tokio::test]
async fn every_fill_gives_the_same_rows() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = Database::open(&file_in(&here), ORDERS).await.unwrap();
    let other = Database::open(&file_in(&there), ORDERS).await.unwrap();
    assert_eq!(rows(&one).await, rows(&other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_start_together_one_fills() {
    let folder = tempfile::tempdir().unwrap();
    let location = file_in(&folder);
    let (one, other) = tokio::join!(
        Database::open(&location, ORDERS),
        Database::open(&location, ORDERS)
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.orders(), other.orders()), (ORDERS, ORDERS));
    assert_eq!(rows(&one).await, rows(&other).await);
}

#[tokio::test]
async fn a_database_with_missing_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Database::open(&file_in(&folder), ORDERS)
        .await
        .unwrap()
        .close()
        .await;
    change(&folder, "DELETE FROM shop_order WHERE id = 7").await;

    let error = Database::open(&file_in(&folder), ORDERS)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("shop.sqlite") && error.contains("500") && error.contains("499"),
        "{error}"
    );
    assert!(error.contains("delete it"), "{error}");
}

#[tokio::test]
async fn tables_of_another_origin_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("shop.sqlite")).unwrap();
    change(&folder, "CREATE TABLE shop_order (id INTEGER)").await;

    let error = Database::open(&file_in(&folder), ORDERS)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("another origin"), "{error}");
    change(&folder, "INSERT INTO shop_order VALUES (1)").await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sqlite");
    std::fs::write(&path, "Dear diary, ".repeat(100)).unwrap();

    let error = Database::open(&file_in(&folder), ORDERS)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("not a database") && error.contains("--database"),
        "{error}"
    );
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("Dear diary")
    );
}

#[tokio::test]
async fn a_path_may_have_any_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my shop? 100%.sqlite");
    let database = Database::open(&DatabaseLocation::Sqlite(path.clone()), ORDERS)
        .await
        .unwrap();
    assert_eq!(database.orders(), ORDERS);
    assert!(path.exists());
}

async fn rows(database: &Database) -> Value {
    let report = Report::of(database, Region::find("south").unwrap())
        .await
        .unwrap();
    serde_json::to_value(report.rows).unwrap()
}

async fn change(folder: &tempfile::TempDir, sql: &'static str) {
    let path = folder.path().join("shop.sqlite");
    let mut connection = SqliteConnection::connect(path.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
