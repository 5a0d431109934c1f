//! `Range` (`r`) and `If-Range` (`i`), over what is kept as a whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_swr_fuzz::{BODY, lines, play};

fuzz_target!(|data: &[u8]| {
    let answer = [
        (b'e', "etag"),
        (b'l', "last-modified"),
        (b't', "content-type"),
        (b'c', "cache-control"),
    ];
    let input = lines(data, &answer, &[(b'r', "range"), (b'i', "if-range")]);
    let uris = ["/".parse().expect("a path")];
    play(
        &input,
        &[|layer| layer, |layer| layer.as_proxy()],
        &uris,
        |_, _| BODY.to_owned(),
    );
});
