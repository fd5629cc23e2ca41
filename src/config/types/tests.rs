//! What each field accepts.

use super::*;

fn resources(yaml: &str) -> Result<Resources, serde_yaml::Error> {
    serde_yaml::from_str(yaml)
}

fn parallelism(yaml: &str) -> Result<PipelineParallelism, serde_yaml::Error> {
    resources(&format!("parallelism: {yaml}")).map(|resources| resources.parallelism)
}

#[test]
fn test_parallelism_auto_parses() {
    assert_eq!(parallelism("auto").unwrap(), PipelineParallelism::Auto);
    assert_eq!(parallelism("\"auto\"").unwrap(), PipelineParallelism::Auto);
}

#[test]
fn test_parallelism_omitted_is_auto() {
    let resources = resources("max_retries: 1").unwrap();
    assert_eq!(resources.parallelism, PipelineParallelism::Auto);
    assert_eq!(PipelineParallelism::default(), PipelineParallelism::Auto);
}

#[test]
fn test_parallelism_integer_is_manual() {
    assert_eq!(parallelism("4").unwrap(), PipelineParallelism::Manual(4));
    assert_eq!(
        parallelism("4294967295").unwrap(),
        PipelineParallelism::Manual(u32::MAX)
    );
}

#[test]
fn test_parallelism_zero_parses_for_the_validator_to_judge() {
    assert_eq!(parallelism("0").unwrap(), PipelineParallelism::Manual(0));
}

#[test]
fn test_parallelism_negative_is_refused() {
    refused("-1");
}

#[test]
fn test_parallelism_beyond_u32_is_refused() {
    refused("4294967296");
}

#[test]
fn test_parallelism_other_words_are_refused() {
    refused("many");
    refused("Auto");
}

#[test]
fn test_parallelism_float_is_refused() {
    refused("2.5");
    refused("4.0");
}

#[test]
fn test_parallelism_bool_is_refused() {
    refused("true");
}

#[test]
fn test_parallelism_quoted_number_is_refused() {
    refused("\"4\"");
}

#[test]
fn test_parallelism_without_a_value_is_refused() {
    refused("");
    refused("null");
}

#[test]
fn test_parallelism_list_and_map_are_refused() {
    refused("[1]");
    refused("{ auto: 1 }");
}

#[test]
fn test_parallelism_prints_and_reads_back() {
    for value in [PipelineParallelism::Auto, PipelineParallelism::Manual(7)] {
        assert_eq!(value.to_string().parse(), Ok(value));
        assert_eq!(parallelism(&value.to_string()).unwrap(), value);
        let yaml = serde_yaml::to_string(&value).unwrap();
        assert_eq!(parallelism(yaml.trim()).unwrap(), value);
    }
    assert!("-1".parse::<PipelineParallelism>().is_err());
}

#[test]
fn a_secret_never_prints() {
    let secret = Secret::new("hunter2");
    let json = serde_json::to_string(&secret).unwrap();
    assert_eq!(format!("{secret} {secret:?} {json}"), "*** *** \"***\"");
    assert_eq!(secret.reveal(), "hunter2");
}

fn refused(yaml: &str) {
    let error = parallelism(yaml).unwrap_err().to_string();
    assert!(error.contains(PARALLELISM_ACCEPTS), "{yaml}: {error}");
}
