//! Every place and every form of a secret.

use base64::engine::general_purpose::STANDARD;

use super::*;

fn secrets(text: &str) -> Secrets {
    let variables = [
        ("TIDEGATE_RECEIVER__API_KEY", "variable-secret"),
        ("TIDEGATE_LISTEN", "127.0.0.1:8080"),
        ("ELSEWHERE", "environment-secret"),
        ("TIDEGATE_AUTH__UNAUTHORIZED_STATUS", "401"),
        ("TIDEGATE_AUTH__SOME_WORD", "unhidden"),
        ("TIDEGATE_RECEIVER__AUTH", "header"),
        ("TIDEGATE_TOKEN", "variable-without-a-section"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Secrets::of(Some(text), &Environment { variables, nodename: String::new() })
}

#[test]
fn a_secret_is_found_wherever_a_configuration_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::io::Write::write_all(&mut File::create(&file).unwrap(), b"file-secret\n").unwrap();
    let text = format!(
        "[[sources]]\ntoken = \"token-secret\"\n[[sources]]\ntoken_file = \"{}\"\n\
         [[sources]]\ntoken_env = \"ELSEWHERE\"\n\
         [receiver]\nproxy = \"http://user:proxy-secret@10.0.0.1:3128\"\n\
         [[scrape]]\nheaders = {{ X-One = \"header-secret\", X-Two = {{ env = \"ELSEWHERE\" }} }}\n\
         path = \"/m?module=http_2xx&api_token=query-secret\"\n\
         targets = [\"http://h/m?x=secret%20of%20a%20query\"]\n\
         authorization = \"Basic {}\"\n",
        file.display(),
        STANDARD.encode("user:basic-secret")
    );
    let secrets = secrets(&text);
    for secret in [
        "token-secret",
        "file-secret",
        "environment-secret",
        "proxy-secret",
        "header-secret",
        "basic-secret",
        "variable-secret",
        "query-secret",
        "secret of a query",
        "secret%20of%20a%20query",
    ] {
        let told = format!("a {secret} b");
        assert_eq!(secrets.without(&told).as_deref(), Some("a *** b"), "{secret}");
    }
    assert!(!secrets.is_in("listens on 127.0.0.1:8080, asks for http_2xx"));
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "s3cret/with+odd=\"signs\" & more";
    let quoted = toml::Value::String(secret.to_owned());
    let secrets = secrets(&format!("api_key = {quoted}"));
    let json = serde_json::Value::from(secret).to_string();
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut told = vec![
        secret.to_owned(),
        json,
        lower_escapes(&percent),
        percent,
        words::hex(secret.as_bytes()),
    ];
    for around in ["", "a:", "ab:", "abc:"] {
        told.push(STANDARD.encode(format!("{around}{secret}")));
        told.push(URL_SAFE_NO_PAD.encode(format!("{around}{secret} and more")));
    }
    for text in told {
        let clean = secrets.without(&text).unwrap_or_else(|| panic!("{text}"));
        assert!(!secrets.is_in(&clean), "{clean}");
    }
}

#[test]
fn a_short_secret_is_only_found_where_it_stands_alone() {
    let secrets = secrets("token = \"dev\"");
    assert_eq!(
        secrets.without("Bearer dev, serve --dev and devices").as_deref(),
        Some("Bearer ***, serve --*** and devices")
    );
    assert!(!secrets.is_in("device, my_dev"));
}

#[test]
fn a_text_that_is_no_toml_is_searched_by_line() {
    let secrets = secrets("token = \"broken-secret\"\n[[[");
    assert!(secrets.is_in("broken-secret"));
}

#[test]
fn what_is_no_secret_is_left_as_it_is() {
    let expires = "2027-01-01T00:00:00Z";
    let secrets = secrets(&format!(
        "[[sources]]\ntoken = \"12345\"\ntoken_expires = \"{expires}\"\nnext_token_expires = \"{expires}\"\n\
         label_token = \"true\"\nnext_token = \"12345678\"\n"
    ));
    let told = format!(
        "{{\"status\":401,\"ok\":true,\"n\":12345,\"at\":\"{expires}\",\"a header\":\"unhidden\"}}"
    );
    assert_eq!(secrets.without(&told), None);
    for secret in ["12345678", "variable-secret", "variable-without-a-section"] {
        assert_eq!(secrets.without(&format!("a {secret} b")).as_deref(), Some("a *** b"));
    }
}
