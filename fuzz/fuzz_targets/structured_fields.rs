//! `CDN-Cache-Control` (`c`), `Cache-Groups` (`g`), `Cache-Group-Invalidation` (`i`) and the `Cache-Status` of caches
//! upstream (`s`).
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_swr_fuzz::{BODY, lines, play};

fuzz_target!(|data: &[u8]| {
    let answer = [
        (b'c', "cdn-cache-control"),
        (b'g', "cache-groups"),
        (b'i', "cache-group-invalidation"),
        (b's', "cache-status"),
        (b'p', "cache-control"),
    ];
    let input = lines(data, &answer, &[]);
    let uris = ["/".parse().expect("a path")];
    play(
        &input,
        &[|layer| layer, |layer| layer.as_proxy()],
        &uris,
        |_, _| BODY.to_owned(),
    );
});
