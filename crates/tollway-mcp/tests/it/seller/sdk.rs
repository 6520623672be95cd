//! A server made with `rmcp`, its client, and real pipes between two processes: the example as it stands.

use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, CallToolResult, RequestMetaObject};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::TokioChildProcess;
use serde_json::{Map, Value, json};
use tollway_core::offer::{OFFER_EXTENSION, Offer};
use tollway_core::scheme::deferred::{Called, Commitment, Stamp, arguments_hash};
use tollway_mcp::Kind;
use tollway_mcp::wire::{self, Payment, PaymentForm, names};
use tollway_protocol::Network;
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey};

use super::rig::{AGENT, NOON, agent_key, receipt, refused};

type Client = RunningService<RoleClient, ()>;

async fn example() -> Client {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples/paid_tools");
    let mut command = tokio::process::Command::new(built);
    let jwk = serde_json::to_string(&agent_key().public().jwk()).unwrap();
    command.arg(AGENT).arg(jwk);
    ().serve(TokioChildProcess::new(command).unwrap()).await.unwrap()
}

async fn call(
    client: &Client,
    name: &'static str,
    arguments: &Value,
    meta: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut params = CallToolRequestParams::new(name).with_arguments(arguments.as_object().unwrap().clone());
    if let Some(meta) = meta {
        params.meta = Some(serde_json::from_value::<RequestMetaObject>(Value::Object(meta.clone())).unwrap());
    }
    let result: CallToolResult = client.call_tool(params).await.unwrap();
    match serde_json::to_value(result).unwrap() {
        Value::Object(result) => result,
        other => panic!("{other}"),
    }
}

/// What an agent does that has read the demand: it checks the signed offer and promises to pay it.
fn pay(asked: &Map<String, Value>, arguments: &Value, form: PaymentForm) -> Map<String, Value> {
    let demand = wire::demand_in_result(asked).unwrap().unwrap();
    let jws = demand.extensions.unwrap()[OFFER_EXTENSION]["info"]["jws"].as_str().unwrap().to_owned();
    let offer = Offer::verify(&jws, &PrivateKey::from_seed([1; 32]).public()).unwrap();
    let url = Kind::Tool.url("square");
    let call = Called { resource: &url, arguments: arguments_hash(arguments.as_object()).unwrap() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now > NOON - 1_000_000_000);
    let stamp = Stamp { nonce: "one-of-the-agent", now, life: 60 };
    let agent = AgentUrl::parse(AGENT, AgentPolicy::default()).unwrap();
    let commitment = Commitment::to_offer(&offer, &Network::tollway(), &agent, call, stamp);
    let payment = Payment::V2(Box::new(commitment.payment(&offer, &agent_key())));
    let mut params = Map::new();
    wire::write_payment(&mut params, &payment, form);
    params[names::META].as_object().unwrap().clone()
}

#[tokio::test]
async fn the_example_sells_over_pipes_and_its_free_tool_stays_free() {
    for form in [PaymentForm::Object, PaymentForm::Base64] {
        let client = example().await;
        let arguments = json!({"number": 12});
        let listed = client.list_all_tools().await.unwrap();
        let listed = serde_json::to_value(&listed).unwrap();
        let tool = |name: &str| listed.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        assert_eq!(tool("square")["_meta"][names::LISTED_PRICE].to_string(), "0.01");
        assert!(tool("echo").get("_meta").is_none());
        assert_eq!(call(&client, "echo", &arguments, None).await["content"][0]["text"], "12");
        let asked = call(&client, "square", &arguments, None).await;
        assert_eq!(refused(&asked), "payment_required");
        assert_eq!(asked[names::META][names::ERROR], asked["structuredContent"]);
        let meta = pay(&asked, &arguments, form);
        let paid = call(&client, "square", &arguments, Some(&meta)).await;
        assert_eq!(paid["content"][0]["text"], "144");
        assert_eq!((receipt(&paid).payer.as_deref(), receipt(&paid).amount.unwrap().get()), (Some(AGENT), 10_000));
        let other = call(&client, "square", &json!({"number": 13}), Some(&meta)).await;
        assert_eq!(refused(&other), "digest_mismatch");
        client.cancel().await.unwrap();
    }
}
