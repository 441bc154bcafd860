use super::*;

#[test]
fn a_parent_has_an_http_url() {
    assert_eq!(
        Parent::new("http://127.0.0.1:8080").unwrap().url(),
        "http://127.0.0.1:8080/"
    );
    assert_eq!(
        Parent::new("http://host/below").unwrap().url(),
        "http://host/below/"
    );
    for not_one in ["", "127.0.0.1:8080", "ftp://host", "unix:/run/parent"] {
        assert!(
            matches!(Parent::new(not_one), Err(ParentError::Url(_))),
            "{not_one}"
        );
    }
}

#[test]
fn https_is_refused_with_its_reason() {
    let error = Parent::new("https://parent.example").err().unwrap();
    assert!(matches!(error, ParentError::Https(_)));
    assert!(error.to_string().contains("http only"), "{error}");
}
