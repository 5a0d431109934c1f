//! Conditions (`n`, `m`, `s`, `u`) against validators (`e`, `l`, `d`).
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_swr_fuzz::{BODY, lines, play};

fuzz_target!(|data: &[u8]| {
    let answer = [
        (b'e', "etag"),
        (b'l', "last-modified"),
        (b'd', "date"),
        (b'c', "cache-control"),
    ];
    let request = [
        (b'n', "if-none-match"),
        (b'm', "if-match"),
        (b's', "if-modified-since"),
        (b'u', "if-unmodified-since"),
    ];
    let input = lines(data, &answer, &request);
    let uris = ["/".parse().expect("a path")];
    play(
        &input,
        &[|layer| layer.etag(), |layer| layer.as_proxy()],
        &uris,
        |_, _| BODY.to_owned(),
    );
});
