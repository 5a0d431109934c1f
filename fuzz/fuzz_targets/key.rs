//! Targets and hosts: a line is a URI (`u`), a `Host` (`h`) or `X-Forwarded-Host` (`f`). The origin says what it was asked
//! for, so an answer to another's question is seen.
#![no_main]

use http::{HeaderMap, Uri};
use libfuzzer_sys::fuzz_target;
use tower_swr_fuzz::{lines, play};

fn told(uri: &Uri, fields: &HeaderMap) -> String {
    let all = |name: &str| {
        fields
            .get_all(name)
            .iter()
            .map(|line| format!("{:?}", line.as_bytes()))
            .collect::<Vec<_>>()
    };
    format!("{uri} {:?} {:?}", all("host"), all("x-forwarded-host"))
}

fuzz_target!(|data: &[u8]| {
    let input = lines(data, &[], &[(b'h', "host"), (b'f', "x-forwarded-host")]);
    let uris: Vec<Uri> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| Uri::try_from(line.strip_prefix(b"u")?).ok())
        .take(4)
        .collect();
    if !uris.is_empty() {
        play(
            &input,
            &[|layer| layer, |layer| layer.ignore_cookies()],
            &uris,
            told,
        );
    }
});
