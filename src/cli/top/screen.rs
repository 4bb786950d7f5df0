//! The terminal: its size, its other screen, and its settings, which come back in the end.

use std::io::{self, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::line::Line;

/// The other screen, without a cursor, where a line that is too long does not go on in the next.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J";
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// Columns and rows; `None` where there is no terminal, or it does not say.
pub(super) fn size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

/// A terminal that is drawn on; as it was when this is dropped, however that comes.
pub(super) struct Screen {
    /// As it was; `None` where nothing can be typed.
    before: Option<Termios>,
    is_coloured: bool,
}

impl Screen {
    pub(super) fn enter(is_coloured: bool) -> io::Result<Self> {
        let stdin = io::stdin();
        let before = if stdin.is_terminal() { tcgetattr(&stdin).ok() } else { None };
        let screen = Self { before, is_coloured };
        if let Some(before) = &screen.before {
            let mut keys = before.clone();
            // Ctrl-C comes as a key, and Ctrl-Z does nothing: who is stopped leaves the terminal as it is.
            keys.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            tcsetattr(&stdin, OptionalActions::Now, &keys)?;
        }
        put(ENTER)?;
        Ok(screen)
    }

    /// Over what was drawn before, in one write: nothing flickers.
    pub(super) fn draw(&mut self, lines: &[Line], width: usize, height: usize) -> io::Result<()> {
        let shown = lines.iter().take(height);
        let shown: Vec<_> = shown.map(|line| line.render(width, self.is_coloured)).collect();
        let clear = "\u{1b}[K";
        let text = shown.join(&[clear, "\r\n"].concat());
        put(&["\u{1b}[H", &text, clear, "\u{1b}[J"].concat())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        put(LEAVE).ok();
        if let Some(before) = &self.before {
            tcsetattr(io::stdin(), OptionalActions::Now, before).ok();
        }
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
