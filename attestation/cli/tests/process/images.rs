//! Images: measured, and refused where they are malformed.

use crate::desk::{Desk, image, image_registers};

#[test]
fn an_image_is_measured_with_the_names_that_scripts_expect() {
    let desk = Desk::furnished();
    let said = desk.say("measure image.eif");
    assert_eq!(said.exit, 0);
    for (name, expected) in ["PCR0", "PCR1", "PCR2"].iter().zip(image_registers()) {
        assert_eq!(said.text(&format!("/{name}")), expected);
    }
    assert!(said.json.get("PCR8").is_none());
    assert_eq!(said.text("/architecture"), "x86_64");
    assert_eq!(said.text("/cmdline"), "reboot=k panic=30");
    assert_eq!(said.text("/metadata/ImageName"), "sealsum-enclave");
    assert_eq!(said.json["sections"].as_array().unwrap().len(), 5);
    let digest = desk.shell("sha256sum image.eif | cut -d' ' -f1");
    let digest = String::from_utf8(digest.stdout).unwrap();
    assert_eq!(said.text("/eif_sha256"), digest.trim());
    let (_, text) = desk.tell("measure image.eif");
    assert!(
        text.contains(&format!("PCR2       {}", image_registers()[2])),
        "{text}"
    );
}

#[test]
fn a_malformed_image_is_refused_with_its_reason_and_place() {
    let desk = Desk::empty();
    let mut damaged = image();
    *damaged.last_mut().unwrap() ^= 1;
    desk.write("damaged.eif", &damaged);
    let said = desk.say("measure damaged.eif");
    assert_eq!(said.refusal(), (1, "image-checksum"));
    assert!(said.text("/error/detail").contains("at offset 544"));
    desk.write("cut.eif", &damaged[..600]);
    assert_eq!(
        desk.say("measure cut.eif").refusal(),
        (1, "image-section-truncated")
    );
    desk.write("text.eif", "not an image");
    assert_eq!(
        desk.say("measure text.eif").refusal(),
        (1, "image-too-short")
    );
    assert_eq!(desk.say("measure missing.eif").refusal(), (2, "file"));
}
