use http::{HeaderMap, HeaderName, HeaderValue};

/// The fields of an answer and of the requests that ask for it.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The fields of the answer.
    pub answer: HeaderMap,
    /// The fields of each request.
    pub requests: Vec<HeaderMap>,
}

/// Reads `data` as lines. The first byte of a line says which field of `answer` or `request` it is a value of; an empty
/// line begins the fields of another request. What is neither, or no value of a field, is left out.
pub fn lines(data: &[u8], answer: &[(u8, &'static str)], request: &[(u8, &'static str)]) -> Input {
    let mut input = Input {
        requests: vec![HeaderMap::new()],
        ..Input::default()
    };
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let Some((letter, value)) = line.split_first() else {
            // More of them would only be slower.
            if input.requests.len() < 4 {
                input.requests.push(HeaderMap::new());
            }
            continue;
        };
        let Ok(value) = HeaderValue::from_bytes(value) else {
            continue;
        };
        let last = input.requests.last_mut().expect("there is always one");
        for (table, fields) in [(answer, &mut input.answer), (request, last)] {
            if let Some((_, name)) = table.iter().find(|(known, _)| known == letter) {
                fields.append(HeaderName::from_static(name), value.clone());
            }
        }
    }
    input
}
