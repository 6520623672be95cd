//! Credit under load: never one sale more than it allows.

use std::sync::Arc;

use tollway_protocol::Reason as R;

use crate::rig::{PRICE, Rig, Setup, Way};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_27_a_thousand_requests_on_credit_for_ten_are_ten_sales() {
    for (way, status, daily) in [
        (Way::X402, 402, None),
        (Way::Handshake, 402, None),
        (Way::Max("USD 1"), 403, None),
        (Way::X402, 402, Some(10 * PRICE)),
    ] {
        let credit = if daily.is_none() { 10 * PRICE + PRICE / 2 } else { 1_000 * PRICE };
        let rig = Arc::new(Rig::with(Setup { credit: Some(credit), daily, ..Setup::default() }).await);
        rig.origin.behave(|_| async {
            tokio::task::yield_now().await;
            crate::rig::response(200, &[], "a page")
        });
        let asking: Vec<_> = (0..1_000)
            .map(|number| {
                let rig = Arc::clone(&rig);
                tokio::spawn(
                    async move { rig.call(&rig.buy(way, &format!("/paid/{number}"), &number.to_string())).await },
                )
            })
            .collect();
        let mut served = 0;
        let reason = if daily.is_none() { R::OverCredit } else { R::OverBudget };
        for answer in asking {
            let got = answer.await.unwrap();
            match got.status {
                200 => served += 1,
                other => assert_eq!((other, got.reason()), (status, Some(reason)), "{way:?}"),
            }
        }
        let report = rig.audit().await;
        assert_eq!((served, report.sales, report.charged.get()), (10, 10, 10 * PRICE), "{way:?}");
        assert_eq!((rig.origin.runs(), rig.view().await.reserved.get()), (10, 0));
    }
}
