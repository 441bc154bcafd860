//! The Dockerfile's static properties, which need no engine to be checked.

use std::fs;

use super::*;

/// Instructions with their arguments, comments and line continuations resolved.
fn instructions(dockerfile: &str) -> Vec<(String, String)> {
    dockerfile
        .replace("\\\n", " ")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            (name.to_uppercase(), rest.trim().to_owned())
        })
        .collect()
}

fn ours() -> Vec<(String, String)> {
    instructions(&fs::read_to_string(workspace::root().join("Dockerfile")).unwrap())
}

/// What is wrong with a Dockerfile; empty if nothing is.
fn faults(instructions: &[(String, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    let stages: Vec<usize> = (0..instructions.len())
        .filter(|at| instructions[*at].0 == "FROM")
        .collect();
    let last = *stages.last().unwrap_or(&0);
    let (first_stages, last_stage) = instructions.split_at(last);
    if last_stage.first().is_none_or(|(_, from)| from != "scratch") {
        faults.push("the last stage is not from scratch".to_owned());
    }
    let copies: Vec<_> = last_stage
        .iter()
        .filter(|(name, _)| ["COPY", "ADD"].contains(&name.as_str()))
        .collect();
    match copies.as_slice() {
        [(_, copy)] if copy == "--from=build /image/sealsum-enclave /sealsum-enclave" => {}
        _ => faults.push("the last stage holds something else than the program".to_owned()),
    }
    for (name, rest) in last_stage {
        if !["FROM", "COPY", "CMD"].contains(&name.as_str()) {
            faults.push(format!("the last stage does more: {name} {rest}"));
        }
    }
    let bases: Vec<_> = instructions
        .iter()
        .filter(|(name, rest)| name == "ARG" && rest.starts_with("BASE="))
        .collect();
    match bases.as_slice() {
        [(_, base)] if is_pinned(base) => {}
        _ => faults.push("the base image is no build argument with an exact version".to_owned()),
    }
    for (name, rest) in first_stages {
        let installs = ["apt", "apk", "curl", "wget", "rustup", "pip", "dnf", "yum"];
        let words = rest.split(|c: char| !c.is_alphanumeric());
        if name == "RUN" && words.into_iter().any(|word| installs.contains(&word)) {
            faults.push(format!("installs something: {rest}"));
        }
    }
    let runs: Vec<_> = first_stages
        .iter()
        .filter(|(name, _)| name == "RUN")
        .collect();
    match runs.as_slice() {
        [(_, run)] if run == "/source/enclave/image/build.sh /image" => {}
        _ => faults.push("it is built otherwise than by enclave/image/build.sh".to_owned()),
    }
    faults
}

/// `BASE=NAME:MAJOR.MINOR.PATCH...`, with or without a digest.
fn is_pinned(base: &str) -> bool {
    let Some((_, tag)) = base
        .rsplit_once('/')
        .unwrap_or(("", base))
        .1
        .split_once(':')
    else {
        return false;
    };
    let version = tag.split(['-', '@']).next().unwrap_or_default();
    let numbers: Vec<_> = version.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

#[test]
fn the_image_holds_the_program_alone_and_is_built_by_the_script() {
    assert_eq!(faults(&ours()), Vec::<String>::new());
}

#[test]
fn each_departure_is_noticed() {
    let text = fs::read_to_string(workspace::root().join("Dockerfile")).unwrap();
    let tampered = [
        ("FROM scratch", "FROM debian"),
        (
            "COPY --from=build /image/sealsum-enclave /sealsum-enclave",
            "COPY --from=build /image /",
        ),
        ("CMD", "RUN /bin/true\nCMD"),
        ("CMD", "EXPOSE 80\nCMD"),
        ("RUN /source", "RUN apt-get install -y gcc && /source"),
        ("RUN /source", "RUN curl x\nRUN /source"),
        ("ARG BASE=", "ARG BASE=rust:latest\n#"),
        ("build.sh /image", "build.sh /image --quick"),
    ];
    for (from, to) in tampered {
        assert!(text.contains(from), "{from}");
        let faults = faults(&instructions(&text.replacen(from, to, 1)));
        assert!(!faults.is_empty(), "{from} -> {to}");
    }
}

#[test]
fn the_base_is_the_toolchain_that_the_workspace_asks_for() {
    let manifest = fs::read_to_string(workspace::root().join("Cargo.toml")).unwrap();
    let wanted = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap();
    let base = ours()
        .into_iter()
        .find_map(|(_, rest)| rest.strip_prefix("BASE=rust:").map(str::to_owned))
        .unwrap();
    assert!(base.starts_with(&format!("{wanted}.")), "{base}, {wanted}");
}
