//! `Vary` (`v`) and the fields that it may name: `a` is `Accept`, `x` is `X-A`. What a client is told must be what the
//! origin would have told this very client.
#![no_main]

use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use tower_swr_fuzz::{lines, play};

/// The fields that count, as the normalisation that RFC 9111 section 4.1 allows leaves them.
fn told(fields: &HeaderMap) -> String {
    let all = |name: &str| {
        let lines: Vec<String> = fields
            .get_all(name)
            .iter()
            .map(|line| format!("{:?}", line.as_bytes()))
            .collect();
        lines.join("|")
    };
    format!("accept={} x-a={}", all("accept"), all("x-a"))
}

fuzz_target!(|data: &[u8]| {
    let input = lines(
        data,
        &[(b'v', "vary"), (b's', "set-cookie")],
        &[(b'a', "accept"), (b'x', "x-a")],
    );
    // Spaces about commas, and one line or several, are the same to a cache.
    let odd = |fields: &HeaderMap| {
        fields
            .iter()
            .any(|(_, value)| value.as_bytes().iter().any(|byte| b" \t,".contains(byte)))
            || fields.get_all("accept").iter().count() > 1
            || fields.get_all("x-a").iter().count() > 1
    };
    let names = input.answer.get_all("vary").iter();
    let named: Vec<String> = names
        .flat_map(|line| {
            let text = String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase();
            let names = text
                .split(',')
                .map(|name| name.trim_matches([' ', '\t']).to_owned());
            names.collect::<Vec<_>>()
        })
        .collect();
    let both = ["accept", "x-a"]
        .iter()
        .all(|name| named.iter().any(|known| known == name));
    let uris = ["/".parse().expect("a path")];
    if both && !input.requests.iter().any(odd) {
        play(
            &input,
            &[
                |layer| layer,
                |layer| layer.as_proxy().max_age(std::time::Duration::from_secs(60)),
            ],
            &uris,
            |_, fields| told(fields),
        );
    } else {
        play(&input, &[|layer| layer], &uris, |_, _| {
            String::from("alike")
        });
    }
});
