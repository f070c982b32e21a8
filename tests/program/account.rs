//! `contacts keys --table`, with the AWS configurations that people have.

use std::fs;
use std::path::Path;

use tempfile::{TempDir, tempdir};
use testkit::{App, Finished, Program};

use crate::contacts;

/// A home with this AWS configuration, and nothing else that the SDK would find credentials in.
fn home(config: &str) -> TempDir {
    let home = tempdir().unwrap();
    fs::create_dir(home.path().join(".aws")).unwrap();
    fs::write(home.path().join(".aws/config"), config).unwrap();
    home
}

/// `keys list` of a table, by a shell with this home.
fn list(home: &Path, table: &str) -> Program {
    let program = contacts().with(&["keys", "list", "--table", table]).with_variable("HOME", home.to_str().unwrap());
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .fold(program, Program::without_variable)
        .with_variable("AWS_CONFIG_FILE", home.join(".aws/config").to_str().unwrap())
        .with_variable("AWS_SHARED_CREDENTIALS_FILE", home.join(".aws/credentials").to_str().unwrap())
        .with_variable("AWS_EC2_METADATA_DISABLED", "true")
        .with_variable("AWS_PROFILE", "work")
}

/// What the program says when it fails.
#[track_caller]
fn sentence(finished: &Finished) -> &str {
    assert_eq!((finished.code, finished.output.as_str()), (Some(1), ""), "{finished:?}");
    assert_eq!(finished.errors.lines().count(), 1, "{finished:?}");
    finished.errors.trim_end()
}

#[tokio::test]
async fn the_credential_process_of_a_profile_is_asked() {
    let Some(app) = App::here().await else { return };
    let home = home("");
    let asked = home.path().join("asked");
    let process = home.path().join("process");
    let credentials = r#"{"Version": 1, "AccessKeyId": "key", "SecretAccessKey": "secret"}"#;
    fs::write(&process, format!("echo asked > '{}'\necho '{credentials}'\n", asked.display())).unwrap();
    let config = format!("[profile work]\nregion = eu-central-1\ncredential_process = sh \"{}\"\n", process.display());
    fs::write(home.path().join(".aws/config"), config).unwrap();

    let listed = list(home.path(), &app.running().api_keys_table)
        .with_variable("AWS_ENDPOINT_URL_DYNAMODB", app.dynamodb_endpoint())
        .run()
        .await;

    assert_eq!((listed.code, listed.errors.as_str()), (Some(0), ""), "{listed:?}");
    assert!(listed.output.contains("admin_user"), "{listed:?}");
    assert!(asked.exists());
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_to() {
    for (config, expected) in [
        (
            "[profile work]\nregion = eu-central-1\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n\
             [sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.example/start\n",
            "token",
        ),
        ("[profile work]\nregion = eu-central-1\nlogin_session = arn:aws:iam::123456789012:user/jane\n", "login"),
        ("[profile work]\nregion = eu-central-1\ncredential_process = false\n", "process"),
        ("[profile work]\nregion = eu-central-1\n", "(none were found)"),
    ] {
        let refused = list(home(config).path(), "keys").run().await;

        let said = sentence(&refused);
        let begins = "The table of API keys cannot be used: there are no valid AWS credentials: sign in, for example with `aws sso \
                      login` or `aws login`, or set AWS_PROFILE to another profile (";
        assert!(said.starts_with(begins), "{said}");
        assert!(said.contains(expected) && !said.contains("feature"), "{said}");
    }
}

#[tokio::test]
async fn a_region_that_is_missing_is_asked_for() {
    let refused = list(home("[profile work]\ncredential_process = false\n").path(), "keys").run().await;

    assert_eq!(
        sentence(&refused),
        "The table of API keys cannot be used: no AWS region is configured: set AWS_REGION, or set AWS_PROFILE to a profile with a \
         region."
    );
}
