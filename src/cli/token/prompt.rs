//! A question on the terminal whose answer is not shown.

use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// More than any token has.
const CHARS_MAX: usize = 8_192;

/// Ctrl-C and Ctrl-D. They come as bytes, so that no signal ends the process while nothing is shown.
const CANCEL: [u8; 2] = [3, 4];
const BACKSPACES: [u8; 2] = [8, 127];

/// The terminal as it was, when this is dropped.
struct Restored(Termios);

impl Drop for Restored {
    fn drop(&mut self) {
        // Nobody is left to tell.
        tcsetattr(io::stdin(), OptionalActions::Flush, &self.0).ok();
    }
}

/// Asks on stderr, and reads one line from standard input, which is a terminal.
pub(super) fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    let before = tcgetattr(io::stdin())?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
    let restored = Restored(before);
    let mut stderr = io::stderr();
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    let answer = line(&mut io::stdin().lock());
    drop(restored);
    stderr.write_all(b"\n")?;
    answer
}

fn line(input: &mut impl Read) -> io::Result<Zeroizing<String>> {
    let mut typed = Zeroizing::new(Vec::with_capacity(CHARS_MAX));
    let mut byte = Zeroizing::new([0]);
    loop {
        let is_over = input.read(&mut byte[..])? == 0;
        match byte[0] {
            _ if is_over => break,
            b'\r' | b'\n' => break,
            byte if CANCEL.contains(&byte) => return Err(io::ErrorKind::Interrupted.into()),
            byte if BACKSPACES.contains(&byte) => drop(typed.pop()),
            _ if typed.len() == CHARS_MAX => {}
            byte => typed.push(byte),
        }
    }
    let text = std::str::from_utf8(&typed).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_corrected() {
        let read = |bytes: &[u8]| line(&mut &bytes[..]).map(|line| line.to_string()).ok();
        for (typed, wanted) in [
            (&b"token\nmore"[..], Some("token")),
            (b"tokem\x7fn\r", Some("token")),
            (b"\x08\x08x", Some("x")),
            (b"", Some("")),
            (b"tok\x03en\n", None),
            (b"\x04", None),
        ] {
            assert_eq!(read(typed).as_deref(), wanted, "{typed:?}");
        }
    }
}
