//! `Cache-Control` of answers (`c`) and requests (`r`), with what else speaks of lifetimes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_swr_fuzz::{BODY, lines, play};

fuzz_target!(|data: &[u8]| {
    let answer = [
        (b'c', "cache-control"),
        (b'a', "age"),
        (b'x', "expires"),
        (b'd', "date"),
        (b'l', "last-modified"),
        (b's', "set-cookie"),
    ];
    let request = [
        (b'r', "cache-control"),
        (b'p', "pragma"),
        (b'u', "authorization"),
    ];
    let input = lines(data, &answer, &request);
    let uris = ["/".parse().expect("a path")];
    play(
        &input,
        &[|layer| layer, |layer| layer.as_proxy()],
        &uris,
        |_, _| BODY.to_owned(),
    );
});
