//! `Max-Forwards`: how far an `OPTIONS` or a `TRACE` may go (RFC 9110 section 7.6.2).

use http::header::{HeaderValue, MAX_FORWARDS};
use http::{Method, Request};

/// Counts this hop. False where the request may go no further.
pub(crate) fn count<B>(request: &mut Request<B>) -> bool {
    if !matches!(*request.method(), Method::OPTIONS | Method::TRACE) {
        return true;
    }
    let stated = request.headers().get(MAX_FORWARDS);
    let left = stated
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    let Some(left) = left else { return true };
    let next = left.checked_sub(1);
    if let Some(next) = next {
        let fields = request.headers_mut();
        fields.insert(MAX_FORWARDS, HeaderValue::from(next));
    }
    next.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(method: Method, left: &str) -> (bool, String) {
        let mut request = Request::new(());
        *request.method_mut() = method;
        let value = HeaderValue::try_from(left).expect("a value");
        request.headers_mut().insert(MAX_FORWARDS, value);
        let goes_on = count(&mut request);
        let left = request.headers()[MAX_FORWARDS].to_str().expect("ASCII");
        (goes_on, left.to_owned())
    }

    #[test]
    fn it_counts_for_two_methods() {
        assert_eq!(counted(Method::OPTIONS, "2"), (true, "1".to_owned()));
        assert_eq!(counted(Method::TRACE, "0"), (false, "0".to_owned()));
        assert_eq!(counted(Method::OPTIONS, "x"), (true, "x".to_owned()));
        assert_eq!(counted(Method::GET, "0"), (true, "0".to_owned()));
    }
}
