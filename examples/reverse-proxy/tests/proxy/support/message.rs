use std::io::{self, ErrorKind};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// A message of HTTP/1.1, as it was read from the wire: no library has touched its head or its framing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
    /// Without its framing.
    pub(crate) body: String,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Message {
    /// The next head; nothing where the connection ends instead.
    pub(crate) async fn head(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<Self> {
        let start = line(reader).await.ok()?;
        let fields = fields(reader).await.ok()?;
        Some(Self {
            start,
            fields,
            ..Self::default()
        })
    }

    /// Reads the body that the head announces.
    pub(crate) async fn read_body(
        &mut self,
        reader: &mut (impl AsyncBufRead + Unpin),
    ) -> io::Result<()> {
        if self.field("transfer-encoding") == "chunked" {
            assert_eq!(self.field("content-length"), "", "one framing, not two");
            while let Some(chunk) = chunk(reader).await? {
                self.body += &chunk;
            }
            self.trailers = fields(reader).await?;
        } else {
            let length = self.field("content-length").parse().unwrap_or(0);
            self.body = exactly(reader, length).await?;
        }
        Ok(())
    }

    pub(crate) fn status(&self) -> u16 {
        let code = self.start.split(' ').nth(1);
        code.and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("no answer begins with {:?}", self.start))
    }

    /// All values of that name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of that name; empty where there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there once: {all:?}");
        all.first().copied().unwrap_or_default()
    }

    /// What the cache says it did.
    pub(crate) fn verb(&self) -> &str {
        self.field("x-cache")
    }

    /// Asserts that it is a problem of this status, as RFC 9457 has it, and when to come again.
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status(), status, "{self:?}");
        assert_eq!(self.field("content-type"), "application/problem+json");
        assert!(
            self.body.contains(&format!(r#""status":{status}"#)),
            "{self:?}"
        );
        let comes_again = self.field("retry-after").parse::<u32>().is_ok();
        assert_eq!(comes_again, (502..=504).contains(&status), "{self:?}");
    }
}

/// The next chunk; nothing after the last.
pub(crate) async fn chunk(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let size = line(reader).await?;
    let size = usize::from_str_radix(&size, 16).expect("the size of a chunk");
    if size == 0 {
        return Ok(None);
    }
    let chunk = exactly(reader, size).await?;
    assert_eq!(line(reader).await?, "", "a chunk is as long as it says");
    Ok(Some(chunk))
}

pub(crate) async fn exactly(
    reader: &mut (impl AsyncBufRead + Unpin),
    length: usize,
) -> io::Result<String> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await?;
    Ok(String::from_utf8(bytes).unwrap())
}

async fn fields(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(reader).await?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').expect("a field has a colon");
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).await?;
    let line = String::from_utf8(line).unwrap();
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}
