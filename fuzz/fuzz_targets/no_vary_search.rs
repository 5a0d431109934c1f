//! `No-Vary-Search` (`n`) and URIs (`u`).
#![no_main]

use http::Uri;
use libfuzzer_sys::fuzz_target;
use tower_swr_fuzz::{BODY, lines, play};

fuzz_target!(|data: &[u8]| {
    let answer = [(b'n', "no-vary-search"), (b'v', "vary")];
    let input = lines(data, &answer, &[(b'a', "accept")]);
    let uris: Vec<Uri> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| Uri::try_from(line.strip_prefix(b"u")?).ok())
        .take(4)
        .collect();
    if !uris.is_empty() {
        play(
            &input,
            &[
                |layer| layer.no_vary_search(),
                |layer| layer.no_vary_search().sort_query(),
            ],
            &uris,
            |_, _| BODY.to_owned(),
        );
    }
});
