use super::*;

/// Every line of help that begins with the program's name.
fn examples(command: &mut clap::Command, found: &mut Vec<String>) {
    let help = command.render_long_help().to_string();
    let lines = help.lines().map(str::trim);
    // A line of usage is no example.
    let is_one = |line: &&str| line.starts_with("sealsum-parent ") && !line.contains('<');
    let lines = lines.filter(is_one);
    found.extend(lines.map(str::to_owned));
    command
        .get_subcommands_mut()
        .for_each(|below| examples(below, found));
}

#[test]
fn the_arguments_are_well_defined() {
    Arguments::command().debug_assert();
}

#[test]
fn every_example_in_the_help_is_understood() {
    let mut found = Vec::new();
    examples(&mut Arguments::command(), &mut found);
    assert!(found.len() >= 8, "{found:#?}");
    for example in found {
        // What follows is the shell's.
        let ours = example.split(" > ").next().unwrap();
        let parsed = Arguments::try_parse_from(ours.split_whitespace());
        assert!(parsed.is_ok(), "{example}: {}", parsed.err().unwrap());
    }
}

#[test]
fn every_command_that_does_something_has_an_example() {
    fn check(command: &mut clap::Command) {
        if command.get_subcommands().next().is_none() {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            assert!(help.contains("\n  sealsum-parent "), "{name}");
        }
        command
            .get_subcommands_mut()
            .filter(|below| below.get_name() != "help")
            .for_each(check);
    }
    check(&mut Arguments::command());
}

#[test]
fn each_flag_s_variable_is_named_after_it() {
    let command = Arguments::command();
    let flags: Vec<_> = command.get_arguments().collect();
    let with_variables = flags
        .iter()
        .filter_map(|flag| Some((flag, flag.get_env()?)));
    let mut count = 0;
    for (flag, name) in with_variables {
        assert_eq!(name.to_str(), Some(&*variable(flag.get_long().unwrap())));
        count += 1;
    }
    assert_eq!(count, 9);
}
