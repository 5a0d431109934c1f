//! Failures as the client sees them: RFC 9457 problem details.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderValue};
use serde::Serialize;

use crate::database::DatabaseError;
use crate::region::Region;

/// A failed request, answered as `application/problem+json`.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(crate) fn unknown_region(name: &str) -> Self {
        let known: Vec<&str> = Region::ALL.into_iter().map(Region::name).collect();
        Self {
            title: "Unknown region",
            status: StatusCode::NOT_FOUND,
            detail: format!(
                "There is no region {name:?}. The regions are {}.",
                known.join(", ")
            ),
        }
    }

    pub(crate) fn unknown_page(path: &str) -> Self {
        Self {
            title: "Not found",
            status: StatusCode::NOT_FOUND,
            detail: format!(
                "There is nothing at {path:?}. Try /, /report/north, /raw/report/north or /stats."
            ),
        }
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        // The log gets the driver's words. The client does not: they may name hosts and users.
        tracing::error!(%error, "the report failed");
        Self {
            title: "The report could not be computed",
            status: StatusCode::INTERNAL_SERVER_ERROR,
            detail: "The database did not answer. The reason is in the server's log.".to_owned(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static("application/problem+json");
        (
            self.status,
            [(header::CONTENT_TYPE, content_type)],
            Json(self),
        )
            .into_response()
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
