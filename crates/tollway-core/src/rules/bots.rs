//! User-Agents by which AI crawlers name themselves, with who runs them and what they say they read
//! for. A courtesy list: it finds the honest ones, and what it tells is a claim.

use super::asker::Identity;

struct Product(&'static str, &'static str, Option<&'static str>);

const TRAIN: Option<&str> = Some("train");
const SEARCH: Option<&str> = Some("search");
const ASSIST: Option<&str> = Some("assist");

/// Product words in lower case, as their operators publish them; operator; purpose where it is said.
const PRODUCTS: [Product; 27] = [
    Product("ai2bot", "Ai2", TRAIN),
    Product("amazonbot", "Amazon", None),
    Product("anthropic-ai", "Anthropic", TRAIN),
    Product("applebot-extended", "Apple", TRAIN),
    Product("bytespider", "ByteDance", TRAIN),
    Product("ccbot", "Common Crawl", TRAIN),
    Product("chatgpt-user", "OpenAI", ASSIST),
    Product("claude-searchbot", "Anthropic", SEARCH),
    Product("claude-user", "Anthropic", ASSIST),
    Product("claudebot", "Anthropic", TRAIN),
    Product("cohere-ai", "Cohere", None),
    Product("cohere-training-data-crawler", "Cohere", TRAIN),
    Product("diffbot", "Diffbot", None),
    Product("duckassistbot", "DuckDuckGo", ASSIST),
    Product("facebookbot", "Meta", TRAIN),
    Product("google-cloudvertexbot", "Google", None),
    Product("google-extended", "Google", TRAIN),
    Product("gptbot", "OpenAI", TRAIN),
    Product("imagesiftbot", "ImageSift", None),
    Product("meta-externalagent", "Meta", TRAIN),
    Product("meta-externalfetcher", "Meta", ASSIST),
    Product("mistralai-user", "Mistral AI", ASSIST),
    Product("oai-searchbot", "OpenAI", SEARCH),
    Product("omgili", "Webz.io", None),
    Product("perplexity-user", "Perplexity", ASSIST),
    Product("perplexitybot", "Perplexity", SEARCH),
    Product("youbot", "You.com", SEARCH),
];

/// Whether a `User-Agent` value names a published AI crawler.
pub fn is_ai_crawler(user_agent: &str) -> bool {
    named(user_agent).next().is_some()
}

/// What a `User-Agent` claims by naming published AI crawlers.
pub fn claimed_by(user_agent: &str) -> Identity {
    let mut claimed = Identity::default();
    for Product(_, operator, purpose) in named(user_agent) {
        claimed.operators.push((*operator).to_owned());
        claimed.purposes.extend(purpose.and_then(|word| word.parse().ok()));
    }
    claimed
}

fn named(user_agent: &str) -> impl Iterator<Item = &'static Product> {
    let lower = user_agent.to_ascii_lowercase();
    PRODUCTS.iter().filter(move |Product(word, ..)| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_are_found_in_any_case() {
        assert!(is_ai_crawler("Mozilla/5.0 AppleWebKit/537.36; compatible; GPTBot/1.2"));
        assert!(is_ai_crawler("CCBot/2.0"));
        assert!(!is_ai_crawler("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"));
    }

    #[test]
    fn a_name_claims_an_operator_and_a_purpose() {
        let claimed = claimed_by("Mozilla/5.0; compatible; OAI-SearchBot/1.0");
        assert_eq!(claimed.operators, ["OpenAI"]);
        assert_eq!(claimed.purposes[0].as_str(), "search");
        assert!(claimed_by("Amazonbot/0.1").purposes.is_empty());
        assert_eq!(claimed_by("curl/8"), Identity::default());
    }

    #[test]
    fn the_list_is_sorted_and_lower_case() {
        assert!(PRODUCTS.is_sorted_by_key(|product| product.0));
        assert!(PRODUCTS.iter().all(|product| product.0 == product.0.to_ascii_lowercase()));
    }
}
