/**
 * A Google Ads script that bids what kizashi says a click is worth.
 *
 * Install it in Google Ads under Tools > Bulk actions > Scripts, fill in CONFIG, press Preview, read the log, and run
 * it hourly. It sets the max CPC of the enabled ad groups of campaigns on manual CPC. kizashi's `campaign` (the
 * utm_campaign of your landing URLs) must be the campaign's name. Keywords with a bid of their own keep it.
 *
 * It moves bids on `bid_value` alone. While that is null (`ready` is false), the bid stays, and the log says why.
 *
 * API: https://developers.google.com/google-ads/scripts/docs/reference/adsapp/adsapp_adgroupbidding
 *      https://developers.google.com/apps-script/reference/url-fetch/url-fetch-app
 *      https://developers.google.com/apps-script/reference/properties/properties-service
 */

const CONFIG = {
  endpoint: 'https://collector.example.com',  // must be reachable from Google's network
  readKey: '',           // from `kizashi keys create --scope read`: it can read sums, and nothing else
  window: '7d',
  targetRoas: 4,         // what one unit of money bid must bring
  maxChange: 0.2,        // the most that a bid moves at a run
  bidStep: 1,            // the account's smallest change: 1 for JPY, 0.01 for USD or EUR
  dryRun: true,          // log what would be done; set it to false when the log looks right
};

const ETAG = 'kizashi_etag';

const REMEDIES = {
  401: 'the key is not known there; make one with `kizashi keys create --scope read` and set CONFIG.readKey',
  403: 'this key may not read; make one with `kizashi keys create --scope read`',
  404: 'no collector at this address; check CONFIG.endpoint',
};

function main() {
  const properties = PropertiesService.getScriptProperties();
  const writes = !CONFIG.dryRun && !AdsApp.getExecutionInfo().isPreview();
  // A tag belongs to the question that it answered: with another target, the same numbers are news.
  const question = [CONFIG.endpoint, CONFIG.window, CONFIG.targetRoas, CONFIG.maxChange, CONFIG.bidStep].join(' ');
  const kept = JSON.parse(properties.getProperty(ETAG) || '{}');
  const answer = fetchSummary(writes && kept.question === question ? kept.etag : null);
  if (answer === null) return;

  const currency = AdsApp.currentAccount().getCurrencyCode();
  if (answer.currency !== currency) {
    throw new Error(`kizashi's values are in ${answer.currency}, this account bids in ${currency}; every bid stays`);
  }
  const rows = new Map(answer.rows.map((row) => [row.key.campaign, row]));
  let settled = true;
  const campaigns = AdsApp.campaigns().withCondition('campaign.status = ENABLED').get();
  while (campaigns.hasNext()) {
    const campaign = campaigns.next();
    settled = bidFor(campaign, rows.get(campaign.getName()), writes) && settled;
  }
  // A dry run or preview has changed nothing yet, and a bid that is still on its way would be kept there by a 304.
  if (writes && settled && answer.etag) {
    properties.setProperty(ETAG, JSON.stringify({question: question, etag: answer.etag}));
  } else if (writes) {
    properties.deleteProperty(ETAG);
  }
}

/** Move the bids of one campaign; true unless a bound held one of them back. */
function bidFor(campaign, row, writes) {
  const name = campaign.getName();
  if (row === undefined) {
    Logger.log(`${name}: bids stay (kizashi has seen nobody from it in ${CONFIG.window})`);
    return true;
  }
  if (!row.ready || row.bid_value === null) {
    Logger.log(`${name}: bids stay (not ready: ${row.reason}); actors ${row.actors}, ` +
        `final_value ${row.final_value}, declared_value ${row.declared_value}`);
    return true;
  }
  if (row.actors === 0) {
    Logger.log(`${name}: bids stay (nobody came)`);
    return true;
  }
  const worth = Number(row.bid_value) / row.actors;
  const target = worth / CONFIG.targetRoas;
  let settled = true;
  const adGroups = campaign.adGroups().withCondition('ad_group.status = ENABLED').get();
  while (adGroups.hasNext()) {
    const adGroup = adGroups.next();
    const bidding = adGroup.bidding();
    const label = `${name} / ${adGroup.getName()}`;
    if (bidding.getStrategyType() !== 'MANUAL_CPC') {
      Logger.log(`${label}: left alone (${bidding.getStrategyType()} sets its bids)`);
      continue;
    }
    const now = bidding.getCpc();
    const next = boundedBid(now, target);
    settled = settled && !next.held;
    const why = `${worth.toFixed(2)} an actor, target ${target.toFixed(2)}${next.held ? ', held back' : ''}`;
    if (next.bid === now) {
      Logger.log(`${label}: bid stays ${now} (${why})`);
      continue;
    }
    Logger.log(`${label}: bid ${now} -> ${next.bid} (${why})${writes ? '' : ' [dry run]'}`);
    if (writes) bidding.setCpc(next.bid);
  }
  return settled;
}

/** The next bid on the way to `target`: a multiple of bidStep, at most maxChange away, rounded towards the old bid. */
function boundedBid(bid, target) {
  const step = CONFIG.bidStep;
  const room = Math.max(bid * CONFIG.maxChange, step);
  const wanted = Math.min(Math.max(target, bid - room), bid + room);
  // The tiny term keeps 1.15 / 0.01 = 114.99999999999999 from costing a step.
  const steps = wanted > bid ? Math.floor(wanted / step + 1e-9) : Math.ceil(wanted / step - 1e-9);
  const rounded = Number((Math.max(steps, 1) * step).toFixed(6));
  return {bid: rounded, held: target < bid - room || target > bid + room};
}

/**
 * Ask for every row by campaign. Null when no number changed since `etag`, or when the collector cannot answer now:
 * every bid stays. Throws, so that Google sends a mail, for what only a person can mend.
 */
function fetchSummary(etag) {
  const base = `${CONFIG.endpoint}/v1/summary?window=${CONFIG.window}&by=campaign&money=string`;
  const rows = [];
  let cursor = null;
  let first = null;
  do {
    const url = cursor === null ? base : `${base}&cursor=${encodeURIComponent(cursor)}`;
    const response = fetchPage(url, cursor === null ? etag : null);
    if (response === null) return null;
    const page = JSON.parse(response.getContentText());
    first = first || {currency: page.currency, etag: header(response, 'ETag'), paged: Boolean(page.next_cursor)};
    rows.push(...page.rows);
    cursor = page.next_cursor || null;
  } while (cursor !== null);
  // A tag covers its own page. Where there are more, the next run asks for all of them again.
  return {rows: rows, currency: first.currency, etag: first.paged ? null : first.etag};
}

function fetchPage(url, etag) {
  const headers = {Authorization: `Bearer ${CONFIG.readKey}`};
  if (etag) headers['If-None-Match'] = etag;
  let response;
  try {
    response = UrlFetchApp.fetch(url, {headers: headers, muteHttpExceptions: true});
  } catch (error) {
    // No connection or no answer in time: muteHttpExceptions covers answers only.
    Logger.log(`every bid stays: no answer from ${CONFIG.endpoint} (${error.message})`);
    return null;
  }
  const status = response.getResponseCode();
  if (status === 200) return response;
  if (status === 304) {
    Logger.log('304: no number changed, every bid stays');
    return null;
  }
  if (status === 429 || status >= 500) {
    Logger.log(`every bid stays: the collector answered ${status}`);
    return null;
  }
  throw new Error(`the collector answered ${status}: ${REMEDIES[status] || response.getContentText()}`);
}

/** A header by name, in whatever case the answer wrote it. */
function header(response, name) {
  const headers = response.getAllHeaders();
  const key = Object.keys(headers).find((candidate) => candidate.toLowerCase() === name.toLowerCase());
  return key === undefined ? null : headers[key];
}
