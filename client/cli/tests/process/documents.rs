//! Completions and manual pages.

use super::Desk;

#[test]
fn every_shell_gets_a_script_that_names_the_commands() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = desk.run(&format!("completions {shell}"));
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["contribute", "verify-receipt", "base-model"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    assert_eq!(desk.fails("completions tcsh", 2).0, "usage");
}

#[test]
fn each_command_has_a_page_with_its_options_and_its_example() {
    let desk = Desk::new();
    let said = desk.ok("man --out pages");
    let pages = said["pages"].as_array().unwrap();
    assert!(pages.len() > 25, "{said}");
    for page in pages {
        let page = desk.read(&format!("pages/{}", page.as_str().unwrap()));
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"));
    }
    let page = desk.read("pages/sealsum-registry-grant.1");
    for word in ["sealsum", "\\-\\-not\\-after", "sealsum registry grant"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let own = desk.run("man");
    assert_eq!(
        String::from_utf8(own.stdout).unwrap().trim(),
        desk.read("pages/sealsum.1").trim()
    );
}
