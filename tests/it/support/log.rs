//! What was logged, for tests that look at it.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::fmt::MakeWriter;

/// Everything that was logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panics")).into_owned()
    }

    /// The lines of tidegate at this level.
    pub(crate) fn lines(&self, level: &str) -> Vec<String> {
        let wanted = format!(" {level} tidegate");
        let text = self.text();
        text.lines().filter(|line| line.contains(&wanted)).map(str::to_owned).collect()
    }

    /// Collects from here on, down to the finest level of every library.
    pub(crate) fn collect(&self) -> tracing::subscriber::DefaultGuard {
        // With a single collector in the process, whether an event is wanted is decided for good by the
        // thread that reaches it first, which may be another test's, without any.
        static OTHER: OnceLock<tracing::Dispatch> = OnceLock::new();
        OTHER.get_or_init(|| {
            let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
            tracing::Dispatch::new(subscriber.with_writer(std::io::sink).finish())
        });
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
