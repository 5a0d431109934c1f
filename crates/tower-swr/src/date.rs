//! Dates in fields (RFC 9110 section 5.6.7).

use std::time::SystemTime;

use http::HeaderValue;

/// The date that `value` is, in any of the three formats; nothing where it is none, or of another zone than GMT.
///
/// In whatever case: senders must not, and recipients should not, make anything of that (RFC 9111 section 4.2).
pub(crate) fn parse(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?;
    let read = |text: &str| httpdate::parse_http_date(text).ok();
    read(text).or_else(|| read(&in_usual_case(text)))
}

/// `gMT` as `GMT`, `TUE` and `tuesday` as `Tue` and `Tuesday`.
fn in_usual_case(text: &str) -> String {
    let mut usual = String::with_capacity(text.len());
    for word in text.split_inclusive(|letter: char| !letter.is_ascii_alphabetic()) {
        let letters = word.trim_end_matches(|letter: char| !letter.is_ascii_alphabetic());
        match letters.eq_ignore_ascii_case("gmt") {
            true => usual.push_str(&word.to_ascii_uppercase()),
            false => {
                let (first, rest) = word.split_at(word.len().min(1));
                usual.push_str(&first.to_ascii_uppercase());
                usual.push_str(&rest.to_ascii_lowercase());
            }
        }
    }
    usual
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let date = parse(&HeaderValue::from_str(text).ok()?)?;
        let since = date.duration_since(SystemTime::UNIX_EPOCH);
        since.ok().map(|since| since.as_secs())
    }

    const DATES: [&str; 3] = [
        "Tue, 14 Nov 2023 22:13:20 GMT",
        "Tuesday, 14-Nov-23 22:13:20 GMT",
        "Tue Nov 14 22:13:20 2023",
    ];

    #[test]
    fn all_formats_in_whatever_case() {
        for date in DATES {
            for date in [date.to_owned(), date.to_uppercase(), date.to_lowercase()] {
                assert_eq!(seconds(&date), Some(1_700_000_000), "{date}");
            }
        }
        assert_eq!(
            seconds("tUE, 14 nOV 2023 22:13:20 gMt"),
            Some(1_700_000_000)
        );
    }

    #[test]
    fn what_is_no_date_is_none_in_no_case() {
        for text in [
            "",
            "0",
            "-1",
            "never",
            "Tue, 14 Nov 2023 22:13:20 UTC",
            "tue, 14 nov 2023 22:13:20 aest",
            "Tue, 14 Nov 2023 22:13:20",
            "Tuesday 14 Nov 2023 22:13:20 GMT",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(bytes in proptest::collection::vec(32u8..=255, 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                parse(&value);
            }
        }

        #[test]
        fn a_date_of_ours_is_read_back_in_any_case(seconds in 0u64..200_000_000_000, upper: bool) {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let text = httpdate::fmt_http_date(date);
            let text = if upper { text.to_uppercase() } else { text.to_lowercase() };
            let value = HeaderValue::from_str(&text).expect("a date is a value");
            prop_assert_eq!(parse(&value), Some(date));
        }
    }
}
