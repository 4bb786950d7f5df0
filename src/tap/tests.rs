//! What is shown to whom, and what is not.

use super::*;

fn block(tuples: &[&str]) -> Block {
    Block { bytes: tuples.join(",\n").into(), tuples: tuples.len() as u32 }
}

fn piece(source: &str, blocks: &[Block]) -> Piece {
    Piece::of(&source.into(), blocks)
}

/// What waits for somebody, all of it.
async fn all(look: &mut Look) -> (String, u64) {
    let (mut text, mut not_shown) = (String::new(), 0);
    while let Ok(shown) =
        tokio::time::timeout(std::time::Duration::from_millis(1), look.next()).await
    {
        text.push_str(std::str::from_utf8(&shown.lines).unwrap());
        not_shown += shown.not_shown;
    }
    (text, not_shown)
}

#[tokio::test(start_paused = true)]
async fn tuples_come_one_a_line_and_in_order() {
    let tap = Arc::new(Tap::default());
    assert!(!tap.is_open());
    let mut look = tap.look(Wish::default()).unwrap();
    assert!(tap.is_open());
    tap.show(piece("a", &[block(&["[\"x\",1]", "[\"y\",2]"]), block(&["[\"z\",3]"])]));
    assert_eq!(all(&mut look).await, ("[\"x\",1]\n[\"y\",2]\n[\"z\",3]\n".into(), 0));
    drop(look);
    assert!(!tap.is_open());
}

#[tokio::test(start_paused = true)]
async fn each_sees_what_it_wished_for() {
    let tap = Arc::new(Tap::default());
    let name = Some(Pattern::new("x*".into()).unwrap());
    let wishes = [
        Wish { sources: vec!["b".into(), "c".into()], ..Wish::default() },
        Wish { name, ..Wish::default() },
        Wish { form: Form::Sourced, ..Wish::default() },
    ];
    let mut looks = wishes.map(|wish| tap.look(wish).unwrap());
    tap.show(piece("a\"", &[block(&["[\"xx\",1]", "[\"y\",2]"])]));
    tap.show(piece("b", &[block(&["[\"z\",3]"])]));
    let [by_source, by_name, sourced] = &mut looks;
    assert_eq!(all(by_source).await.0, "[\"z\",3]\n");
    assert_eq!(all(by_name).await.0, "[\"xx\",1]\n");
    let lines = all(sourced).await.0;
    assert!(lines.starts_with(r#"{"source":"a\"","tuple":["xx",1]}"#), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_share_is_picked_before_anything_is_kept() {
    let tap = Arc::new(Tap::default());
    let mut look = tap.look(Wish { share: "10%".parse().unwrap(), ..Wish::default() }).unwrap();
    let tuples = vec!["[\"x\",1]"; 5_000];
    tap.show(piece("a", &[block(&tuples)]));
    let (text, not_shown) = all(&mut look).await;
    let seen = text.lines().count();
    assert!((250..1_000).contains(&seen), "{seen}");
    assert_eq!(not_shown, 0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_what_is_shown_is_told_how_much_was_left_out() {
    let tap = Arc::new(Tap::default());
    let mut look = tap.look(Wish::default()).unwrap();
    let tuple = format!("[\"{}\",1]", "x".repeat(92));
    let tuples = vec![&*tuple; 10_000];
    let block = block(&tuples);
    for _ in 0..100 {
        tap.show(piece("a", std::slice::from_ref(&block)));
    }
    let held = look.seat.waiting_bytes();
    assert!(held <= seat::HELD_BYTES_MAX && held > seat::HELD_BYTES_MAX / 2, "{held}");
    let (text, not_shown) = all(&mut look).await;
    assert_eq!(text.lines().count() as u64 + not_shown, 1_000_000);
    assert!(text.lines().all(|line| line == tuple));
}

#[tokio::test(start_paused = true)]
async fn of_a_huge_body_only_the_beginning_is_looked_through() {
    let tap = Arc::new(Tap::default());
    let mut look = tap.look(Wish::default()).unwrap();
    let tuples = vec!["[\"0123456789\",1795343400,1.0,{}]"; 10_000];
    let blocks = vec![block(&tuples); 40];
    tap.show(piece("a", &blocks));
    let (text, not_shown) = all(&mut look).await;
    assert_eq!((text.lines().count(), not_shown), (1_000, 399_000));
}

#[test]
fn a_ninth_is_turned_away_until_one_goes() {
    let tap = Arc::new(Tap::default());
    let mut looks: Vec<_> = (0..LOOKERS_MAX).map(|_| tap.look(Wish::default()).unwrap()).collect();
    assert_eq!(tap.look(Wish::default()).err(), Some(Crowded));
    looks.pop();
    assert!(tap.look(Wish::default()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_costs_too_much_is_given_up_for_the_rest_of_a_body() {
    assert_eq!(Pattern::new("a".repeat(129)), Err(pattern::TooLong));
    let tap = Arc::new(Tap::default());
    let name = Some(Pattern::new(format!("*{}b", "a".repeat(100))).unwrap());
    let mut slow = tap.look(Wish { name, ..Wish::default() }).unwrap();
    let name = Some(Pattern::new("*b".to_owned()).unwrap());
    let mut quick = tap.look(Wish { name, ..Wish::default() }).unwrap();
    let tuple = format!("[\"{}b\",1]", "a".repeat(1_000));
    tap.show(piece("a", &[block(&vec![&*tuple; 100])]));
    let seen = |text: String| text.lines().count();
    let of_slow = seen(all(&mut slow).await.0);
    assert!((1..100).contains(&of_slow), "{of_slow}");
    assert_eq!(seen(all(&mut quick).await.0), 100);
}
