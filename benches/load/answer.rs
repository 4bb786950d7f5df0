//! As much of an HTTP/1.1 answer as a generator has to understand.

/// What an answer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) says_when: bool,
    pub(crate) closes: bool,
    /// Bytes of head and body together.
    pub(crate) bytes: usize,
}

impl Answer {
    /// The head at the beginning of `bytes`, once it is all there.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head of ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut answer = Self {
            status: status.expect("a status line"),
            says_when: false,
            closes: false,
            bytes: end + 4,
        };
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header line");
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                answer.bytes += value.parse::<usize>().expect("a length");
            } else if name.eq_ignore_ascii_case("retry-after") {
                answer.says_when = value.parse::<u32>().is_ok();
            } else if name.eq_ignore_ascii_case("connection") {
                answer.closes = value.eq_ignore_ascii_case("close");
            } else {
                assert!(!name.eq_ignore_ascii_case("transfer-encoding"), "no length: {head}");
            }
        }
        Some(answer)
    }
}
