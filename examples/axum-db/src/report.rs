//! The report: what a region sold, by month and category.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use crate::database::{Database, DatabaseError, ReportTuple};
use crate::problem::Problem;
use crate::region::Region;

/// What one region sold in the year.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The region it is about.
    pub region: Region,
    /// When the database was asked, in RFC 3339: two answers with the same time are one computation.
    pub generated_at: String,
    /// The sum of the rows.
    pub grand_total: GrandTotal,
    /// One row per month and category.
    pub rows: Vec<ReportRow>,
}

/// The sum of a report's rows.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct GrandTotal {
    /// Things sold.
    pub items: i64,
    /// What they brought, in cents.
    pub revenue_cents: i64,
}

/// What the region sold of one category in one month.
#[derive(Debug, Serialize)]
pub struct ReportRow {
    /// The month, such as `2025-03`.
    pub month: String,
    /// The category of the products.
    pub category: String,
    /// Orders that contain the category.
    pub orders: i64,
    /// Different customers among them.
    pub customers: i64,
    /// Things sold.
    pub items: i64,
    /// What they brought, in cents.
    pub revenue_cents: i64,
    /// How much of all regions' revenue this is, in percent.
    pub percent_of_all_regions: f64,
    /// The category's place within the month, 1 for the strongest.
    pub rank_in_month: i64,
    /// The category's revenue from the year's start to this month, in cents.
    pub revenue_cents_so_far: i64,
}

impl Report {
    /// Asks the database for the report of a region: one slow query.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, or it refuses the query.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the query: the database finishes it, and only then is its
    /// connection free again.
    pub async fn of(database: &Database, region: Region) -> Result<Self, DatabaseError> {
        let generated_at = now();
        let rows: Vec<ReportRow> = database
            .report(region)
            .await?
            .into_iter()
            .map(ReportRow::from)
            .collect();
        let grand_total = rows.iter().fold(GrandTotal::default(), GrandTotal::and);
        Ok(Self {
            region,
            generated_at,
            grand_total,
            rows,
        })
    }
}

impl GrandTotal {
    fn and(self, row: &ReportRow) -> Self {
        Self {
            items: self.items + row.items,
            revenue_cents: self.revenue_cents + row.revenue_cents,
        }
    }
}

impl From<ReportTuple> for ReportRow {
    fn from(row: ReportTuple) -> Self {
        let (
            month,
            category,
            orders,
            customers,
            items,
            revenue_cents,
            percent,
            rank_in_month,
            so_far,
        ) = row;
        Self {
            month,
            category,
            orders,
            customers,
            items,
            revenue_cents,
            percent_of_all_regions: percent,
            rank_in_month,
            revenue_cents_so_far: so_far,
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the date is for people; nothing is decided by it"
)]
fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// The handler. It knows nothing of the cache: the same function serves both routes.
pub(crate) async fn report(
    State(database): State<Database>,
    Path(region): Path<String>,
) -> Result<Json<Report>, Problem> {
    let region = Region::find(&region).ok_or_else(|| Problem::unknown_region(&region))?;
    let report = Report::of(&database, region).await?;
    Ok(Json(report))
}
