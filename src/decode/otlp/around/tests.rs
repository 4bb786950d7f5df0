use super::*;

/// Adds an attribute; of several values, or of none, it is an array.
fn add(around: &mut Around<'static>, key: &'static str, values: &[&'static str]) {
    for value in values {
        let tag = RawTag::new(key, Scalar::Text(value), 0, values.len() != 1);
        around.tags().push(tag);
    }
    around.complete(key, !values.is_empty());
}

fn own(tags: &[(&'static str, &'static str)]) -> RawTags<'static> {
    let mut own = RawTags::default();
    for (member, &(key, value)) in (0..).zip(tags) {
        own.push(RawTag::new(key, Scalar::Text(value), member, false));
    }
    own
}

fn joined(around: &Around<'static>, own: &RawTags<'static>) -> Vec<(&'static str, u32)> {
    joined_without(around, own, &[])
}

fn joined_without(
    around: &Around<'static>,
    own: &RawTags<'static>,
    unsaid: &[&'static str],
) -> Vec<(&'static str, u32)> {
    let mut tags = RawTags::default();
    around.join(own, unsaid, &mut tags);
    tags.tags.iter().map(|tag| (tag.key, tag.member)).collect()
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[test]
fn a_scope_takes_the_place_of_the_one_before_and_not_of_the_resource() {
    let mut around = Around::default();
    around.begin_resource();
    add(&mut around, "service.name", &["a"]);
    around.end_resource();
    let own = own(&[("own", "b")]);
    around.begin_scope();
    add(&mut around, "first", &["c"]);
    around.end_scope("n", "");
    let names = [("service.name", 0), ("first", 1), ("otel.scope.name", 2), ("own", 3)];
    assert_eq!(joined(&around, &own), names);
    around.begin_scope();
    around.end_scope("", "1");
    let names = [("service.name", 0), ("otel.scope.version", 1), ("own", 2)];
    assert_eq!(joined(&around, &own), names);
    around.begin_resource();
    around.end_resource();
    around.begin_scope();
    assert_eq!(joined(&around, &own), [("own", 0)]);
}

#[test]
fn the_last_word_on_a_key_counts_also_where_it_says_nothing() {
    let mut around = Around::default();
    around.begin_resource();
    add(&mut around, "a", &["1", "2"]);
    add(&mut around, "b", &["1"]);
    add(&mut around, "a", &["3"]);
    add(&mut around, "c", &["1"]);
    around.end_resource();
    let nothing = RawTags::default();
    assert_eq!(joined(&around, &nothing), [("b", 1), ("a", 2), ("c", 3)]);
    around.begin_scope();
    add(&mut around, "a", &[]);
    add(&mut around, "d", &["1"]);
    add(&mut around, "d", &[]);
    assert_eq!(joined(&around, &nothing), [("b", 1), ("c", 3)]);
    assert_eq!(joined_without(&around, &own(&[("d", "1")]), &["c"]), [("b", 1), ("d", 2)]);
    around.begin_scope();
    assert_eq!(joined(&around, &nothing), [("b", 1), ("a", 2), ("c", 3)]);
}

#[test]
fn what_cannot_be_a_tag_is_left_out_and_nothing_else() {
    let cases: [(&'static str, Vec<&'static str>); 5] = [
        ("", vec!["empty key"]),
        (leaked("k".repeat(256)), vec!["long key"]),
        ("long", vec![leaked("x".repeat(4_097))]),
        ("element", vec!["short", leaked("x".repeat(4_097))]),
        ("elements", vec!["x"; 130]),
    ];
    for (key, values) in cases {
        for of_scope in [false, true] {
            let mut around = Around::default();
            around.begin_resource();
            add(&mut around, "before", &["b"]);
            if !of_scope {
                add(&mut around, key, &values);
            }
            add(&mut around, "behind", &["c"]);
            around.end_resource();
            around.begin_scope();
            if of_scope {
                add(&mut around, key, &values);
            }
            around.end_scope("name", "");
            let names = [("before", 0), ("behind", 1), ("otel.scope.name", 2), ("own", 3)];
            assert_eq!(joined(&around, &own(&[("own", "b")])), names, "{key}");
        }
    }
}

#[test]
fn of_many_those_are_left_out_that_do_not_fit_with_the_points_own() {
    let mut around = Around::default();
    around.begin_resource();
    for n in 0..127 {
        add(&mut around, leaked(format!("k{n}")), &["v"]);
    }
    add(&mut around, "pair", &["too", "many"]);
    add(&mut around, "last", &["v"]);
    add(&mut around, "beyond", &["v"]);
    around.end_resource();
    around.begin_scope();
    around.end_scope("name", "");
    let none = joined(&around, &RawTags::default());
    assert_eq!((none.len(), none[127]), (128, ("last", 127)));
    let two = joined(&around, &own(&[("own", "b"), ("other", "b")]));
    assert_eq!((two.len(), two[125].0, two[126]), (128, "k125", ("own", 126)));
    // Too many of its own stay too many.
    let mut many = RawTags::default();
    (0..129).for_each(|n| many.push(RawTag::new("k", Scalar::Text("v"), n, false)));
    assert_eq!(joined(&around, &many).len(), 129);
}

#[test]
fn of_much_that_is_left_out_which_does_not_fit_with_the_points_own() {
    let large = leaked("x".repeat(4_000));
    let mut around = Around::default();
    around.begin_resource();
    for key in ["a", "b", "c", "d", "e"] {
        add(&mut around, key, &[large]);
    }
    add(&mut around, "small", &["v"]);
    around.end_resource();
    let names = |own: &RawTags<'static>| -> Vec<_> {
        joined(&around, own).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&RawTags::default()), ["a", "b", "c", "d", "small"]);
    assert_eq!(names(&own(&[("own", large)])), ["a", "b", "c", "small", "own"]);
}
