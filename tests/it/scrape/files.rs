//! Targets named in files that change.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use tidegate::scrape::Outcome;

use super::exporter::{Answer, Exporter, text};
use super::{Settings, has_tag, start};

fn job(files: &str) -> String {
    format!("[[scrape]]\njob = \"node\"\ntarget_files = [{files}]\n")
}

/// Replaces a file as tools do that mean it: whole or not at all.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    File::create(&new).unwrap().write_all(text.as_bytes()).unwrap();
    fs::rename(new, path).unwrap();
}

fn group(targets: &[&str], labels: &str) -> String {
    format!("[{{\"targets\": {targets:?}, \"labels\": {labels}}}]")
}

#[tokio::test]
async fn targets_follow_their_files_and_the_others_notice_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one.json"), directory.path().join("two.json"));
    let exporters = [
        Exporter::always(Answer::Keep(text(""))).await,
        Exporter::always(Answer::Keep(text(""))).await,
    ];
    let at = exporters.each_ref().map(Exporter::at);
    put(&one, &group(&[&at[0]], "{\"env\": \"prod\", \"__meta\": \"x\"}"));
    let world = start(job(&format!("\"{}/*.json\"", directory.path().display()))).await;
    let targets = || world.counts.jobs()[0].targets();
    assert_eq!(targets(), 1, "files are read before anything runs");
    let samples = world.entry_of(&at[0]).await;
    assert!(samples.iter().all(|sample| has_tag(sample, "env:prod")), "{samples:?}");
    assert!(!samples.iter().any(|sample| sample.to_string().contains("meta")), "{samples:?}");

    // Another file.
    put(&two, &group(&[&at[1]], "{}"));
    world.entry_of(&at[1]).await;
    assert_eq!(targets(), 2);

    // What does not parse, and what is no target, changes nothing.
    let more = at.each_ref().map(String::as_str);
    let mark = directory.path().join("z.json");
    for broken in ["[{\"targets\": [", "", "{}", "[{\"target\": []}]", "[{\"targets\": [\"a b\"]}]"]
    {
        put(&one, broken);
        // A look that finds the second change began after the first was found, and so after this was put.
        put(&mark, &group(&[more[1]], "{\"mark\": \"x\"}"));
        world.until(|_| targets() == 3).await;
        put(&mark, "[]");
        world.until(|_| targets() == 2).await;
        let scraped = exporters[0].heads().len();
        world.until(|_| exporters[0].heads().len() > scraped + 2).await;
        assert_eq!(targets(), 2, "{broken}");
    }
    fs::remove_file(&mark).unwrap();

    // Both in one file, with other labels; named twice, the second is one target.
    put(&one, &group(&[more[0], more[1], more[1]], "{\"env\": \"test\"}"));
    world.until(|_| targets() == 3).await;
    let is_test = |entry: &tidegate::queue::Entry| {
        super::samples(entry).iter().all(|sample| has_tag(sample, "env:test"))
    };
    world.until(|world| world.queue.entries().iter().any(is_test)).await;

    // Gone.
    fs::remove_file(&one).unwrap();
    world.until(|_| targets() == 1).await;
    // What was under way may still come.
    let before = exporters[1].heads().len();
    world.until(|_| exporters[1].heads().len() > before + 2).await;
    let asked = exporters[0].heads().len();
    let before = exporters[1].heads().len();
    world.until(|_| exporters[1].heads().len() > before + 5).await;
    assert_eq!(exporters[0].heads().len(), asked);
    assert_eq!(world.scrapes(Outcome::Down), 0);
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later/targets.json");
    let exporter = Exporter::always(Answer::Keep(text(""))).await;
    let files = format!("\"{}\", \"{}/later/*.json\"", path.display(), directory.path().display());
    let world = Settings::of(job(&files)).start().await;
    assert_eq!(world.counts.targets(), 0);
    fs::create_dir(path.parent().unwrap()).unwrap();
    put(&path, &group(&[&exporter.at()], "{\"instance\": \"mine\"}"));
    world.entry_of("mine").await;
    assert_eq!(world.counts.targets(), 1, "two patterns mean the same file");
}
