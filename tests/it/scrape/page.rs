//! Pages that are as they should be.

use tidegate::normalize::Code;

use super::exporter::{Answer, Exporter, gzip, page, text};
use super::{Settings, job, shown, start};
use crate::support::edge::PATIENCE;

const PAGE: &str = "# HELP hits Hits.\n# TYPE hits counter\nhits{code=\"200\"} 17\n\
                    # TYPE temp gauge\ntemp 21.50\nodd NaN\n";

#[tokio::test]
async fn a_page_becomes_one_entry_with_its_samples_and_those_of_the_scrape() {
    let exporter = Exporter::always(Answer::Keep(text(PAGE))).await;
    let at = exporter.at();
    let world = start(job("node", &[&at], "labels = { env = \"prod\" }")).await;
    let samples = world.entry_of(&at).await;
    let labels = format!("env:prod,instance:{at},job:node");
    assert_eq!(
        shown(&samples),
        [
            format!("hits{{code:200,{labels}}} 17.0 @1700000000 counter"),
            format!("temp{{{labels}}} 21.5 @1700000000 gauge"),
            format!("up{{{labels}}} 1.0 @1700000000 gauge"),
            format!("scrape_samples_scraped{{{labels}}} 3.0 @1700000000 gauge"),
        ]
    );
    assert!(samples.iter().any(|sample| sample[0] == "scrape_duration_seconds"));
    let entry = &world.queue.entries()[0];
    // NaN is accepted, and nothing a tuple can hold.
    assert_eq!((&*entry.source, entry.accepted, entry.rejected), ("node", 6, 0));
    assert_eq!(entry.blocks.iter().map(|block| block.tuples).sum::<u32>(), 5);
    world.until(|world| world.scrapes(tidegate::scrape::Outcome::Ok) > 1).await;
    world.until(|world| world.budget.used() == 0).await;
}

#[tokio::test]
async fn a_request_says_what_it_would_like_and_comes_again_on_the_same_connection() {
    let exporter = Exporter::always(Answer::Keep(text(""))).await;
    let headers = "headers = { Authorization = \"Bearer of news\" }\npath = \"/m?a=b\"";
    let world =
        Settings { timeout: PATIENCE, ..Settings::of(job("node", &[&exporter.at()], headers)) };
    let world = world.start().await;
    world.until(|_| exporter.heads().len() > 1).await;
    let head = exporter.heads()[0].to_ascii_lowercase();
    for line in [
        "get /m?a=b http/1.1\r\n",
        "\r\naccept: text/plain;version=0.0.4,*/*;q=0.1\r\n",
        "\r\naccept-encoding: gzip\r\n",
        concat!("\r\nuser-agent: tidegate/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "\r\nx-prometheus-scrape-timeout-seconds: 60\r\n",
        "\r\nauthorization: bearer of news\r\n",
        &format!("\r\nhost: {}\r\n", exporter.at()),
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    // The script is asked on the first connection alone, unless there was another one.
    assert_eq!(exporter.connections(), 1);
}

#[tokio::test]
async fn a_target_may_have_a_name_that_is_looked_up() {
    let exporter = Exporter::always(Answer::Keep(text("a 1\n"))).await;
    let at = format!("localhost:{}", exporter.address.port());
    let world = start(job("node", &[&at], "")).await;
    let first = &shown(&world.entry_of(&at).await)[0];
    assert_eq!(*first, format!("a{{instance:{at},job:node}} 1.0 @1700000000 gauge"));
}

#[tokio::test]
async fn openmetrics_and_compressed_pages_are_read_by_what_their_headers_say() {
    let open = "# TYPE a counter\na_total 1.0 1699999999.5\n# EOF\n";
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    for (answer, expected) in [
        (page(kind, open.as_bytes()), "a_total{LABELS} 1.0 @1699999999 counter"),
        (
            page(&format!("{kind}content-encoding: gzip\r\n"), &gzip(open.as_bytes())),
            "a_total{LABELS} 1.0 @1699999999 counter",
        ),
        (
            page("content-encoding: gzip\r\n", &gzip(b"a 1 1699999999500\n")),
            "a{LABELS} 1.0 @1699999999 gauge",
        ),
        (page("", b"a 1\n"), "a{LABELS} 1.0 @1700000000 gauge"),
        // A last line without an end is one where something says that the page is whole.
        (page("", b"a 1"), "a{LABELS} 1.0 @1700000000 gauge"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\na 1\r\n0\r\n\r\n".to_vec(),
            "a{LABELS} 1.0 @1700000000 gauge",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\na 1\n".to_vec(), "a{LABELS} 1.0 @1700000000 gauge"),
    ] {
        let exporter = Exporter::always(Answer::Close(answer)).await;
        let at = exporter.at();
        let world = start(job("node", &[&at], "")).await;
        let labels = format!("instance:{at},job:node");
        let first = &shown(&world.entry_of(&at).await)[0];
        assert_eq!(*first, expected.replace("LABELS", &labels));
    }
}

#[tokio::test]
async fn labels_that_page_and_target_share_are_settled_as_the_job_says() {
    let exporter = Exporter::always(Answer::Keep(text("a{job=\"mine\",x=\"y\"} 1 1\n"))).await;
    let at = exporter.at();
    for (more, expected) in [
        ("", "a{exported_job:mine,instance:AT,job:node,x:y} 1.0 @0 gauge"),
        ("honor_labels = true", "a{instance:AT,job:mine,x:y} 1.0 @0 gauge"),
        (
            "honor_timestamps = false",
            "a{exported_job:mine,instance:AT,job:node,x:y} 1.0 @1700000000 gauge",
        ),
    ] {
        let world = start(job("node", &[&at], more)).await;
        let first = shown(&world.entry_of(&at).await)[0].clone();
        assert_eq!(first, expected.replace("AT", &at), "{more}");
    }
}

#[tokio::test]
async fn what_a_page_says_of_its_own_scrape_is_left_out_unless_it_is_of_another() {
    let own = "up 7\nup{x=\"y\"} 8\nscrape_duration_seconds 9\nscrape_samples_scraped 5\n\
               up{job=\"node\"} 6\n";
    let exporter = Exporter::always(Answer::Keep(text(own))).await;
    let at = exporter.at();
    let labels = format!("instance:{at},job:node");
    let health = [
        format!("up{{{labels}}} 1.0 @1700000000 gauge"),
        format!("scrape_samples_scraped{{{labels}}} 5.0 @1700000000 gauge"),
    ];
    let other = format!("up{{{labels},x:y}} 8.0 @1700000000 gauge");
    let renamed = format!("up{{exported_job:node,{labels}}} 6.0 @1700000000 gauge");
    for (more, others, rejected) in
        [("", vec![other.clone(), renamed], 3), ("honor_labels = true", vec![other], 4)]
    {
        let world = start(job("node", &[&at], more)).await;
        let samples = world.entry_of(&at).await;
        assert_eq!(shown(&samples), [&others[..], &health[..]].concat(), "{more}");
        assert!(world.queue.entries().iter().all(|entry| entry.rejected == rejected));
        world.until(|world| world.counts.rejections(Code::InvalidName) >= rejected).await;
    }
}

#[tokio::test]
async fn a_pushgateway_that_empties_a_label_is_not_given_it_back() {
    let exporter =
        Exporter::always(Answer::Keep(text("a{instance=\"\",job=\"pushed\"} 1\n"))).await;
    for (more, expected) in [
        ("honor_labels = true", "a{job:pushed} 1.0"),
        ("", "a{exported_job:pushed,instance:AT,job:node} 1.0"),
    ] {
        let world = start(job("node", &[&exporter.at()], more)).await;
        world.until(|world| !world.queue.entries().is_empty()).await;
        let first = shown(&super::samples(&world.queue.entries()[0]))[0].clone();
        let expected = expected.replace("AT", &exporter.at());
        assert_eq!(first, format!("{expected} @1700000000 gauge"), "{more}");
    }
}

#[tokio::test]
async fn a_source_lends_its_name_its_host_and_its_tags() {
    let exporter = Exporter::always(Answer::Keep(text(""))).await;
    let source = "[[sources]]\nname = \"shop\"\ntoken = \"t\"\nhostname = \"shop-1\"\n\
                  tags = { team = \"blue\", job = \"never\" }\n";
    let text = source.to_owned() + &job("node", &[&exporter.at()], "source = \"shop\"");
    let world = start(text).await;
    let samples = world.entry_of(&exporter.at()).await;
    assert_eq!(&*world.queue.entries()[0].source, "shop");
    assert_eq!(samples[0][3]["hostname"], "shop-1");
    let labels = format!("instance:{},job:node,team:blue", exporter.at());
    assert_eq!(shown(&samples)[0], format!("up{{{labels}}} 1.0 @1700000000 gauge"));
}
