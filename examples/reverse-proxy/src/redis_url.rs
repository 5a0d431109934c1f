use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use tower_swr_redis::Redis;

/// Reads the URL of a Redis. A parser of its own, since a refusal names the value otherwise, and that may hold a password.
///
/// A URL that is none is told at once; whether a server is there is found out while the proxy runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RedisUrl;

impl TypedValueParser for RedisUrl {
    type Value = Redis;

    fn parse_ref(&self, cmd: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Redis, Error> {
        let refused = |why: &dyn std::fmt::Display| {
            let text = format!("invalid value for '--redis <URL>': {why}\n");
            Error::raw(ErrorKind::ValueValidation, text).with_cmd(cmd)
        };
        let Some(text) = value.to_str() else {
            return Err(refused(&"it is no UTF-8"));
        };
        Redis::connect(text).map_err(|error| refused(&error))
    }
}
