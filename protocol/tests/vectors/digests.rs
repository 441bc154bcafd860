use sealsum_protocol::schema::{base_model_digest, query_digest};
use sealsum_protocol::{Digest, Schema, label};

use crate::case::cases;

#[test]
fn labels_digest_parts_as_the_vectors_say() {
    let mut seen = 0;
    for case in cases("labels") {
        let label = label::ALL
            .iter()
            .find(|label| label.as_str() == case.text("label"))
            .unwrap_or_else(|| panic!("{} is no label", case.text("label")));
        let parts = case.byte_strings("parts");
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        assert_eq!(label.digest(&parts), case.parsed("digest"));
        seen += 1;
    }
    assert!(seen >= label::ALL.len(), "every label has its vectors");
}

#[test]
fn layouts_and_base_models_digest_as_the_vectors_say() {
    for case in cases("schemas") {
        let schema: Schema = case.decoded("schema");
        assert_eq!(schema.dimension(), Some(case.number("dimension")));
        assert_eq!(schema.digest(), case.parsed::<Digest>("digest"));
        assert_eq!(
            base_model_digest(&schema, &case.bytes("numbers")),
            case.parsed("base_model")
        );
    }
}

#[test]
fn queries_digest_as_the_vectors_say() {
    for case in cases("queries") {
        assert_eq!(
            query_digest(case.text("query"), case.parsed("data_epoch")),
            case.parsed("digest")
        );
    }
}
