// Plays Google Ads for google_ads_script.js: one scenario on stdin, what happened on stdout, both JSON.
//
// scenario: {script, config, currency, preview, properties, campaigns, answers}
//   campaigns  [{name, status, adGroups: [{name, status, strategy, cpc}]}]
//   answers    [{status, headers, body} or {error}], in the order of the requests; without it, requests are made
// happened: {logs, requests, sets, properties, error}

'use strict';
const {spawnSync} = require('node:child_process');
const fs = require('node:fs');
const vm = require('node:vm');

const scenario = JSON.parse(fs.readFileSync(0, 'utf8'));
const happened = {logs: [], requests: [], sets: [], properties: {...scenario.properties}, error: null};

// UrlFetchApp.fetch returns when the answer is there; Node can wait for one only in another process.
const FETCH = `
  const {url, headers} = JSON.parse(process.argv[1]);
  fetch(url, {headers}).then(async (answer) => process.stdout.write(JSON.stringify(
      {status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text()})));`;

function answerTo(url, headers) {
  if (scenario.answers) {
    const answer = scenario.answers.shift();
    if (answer === undefined) throw new Error(`the script asked once more than expected: ${url}`);
    return answer;
  }
  const child = spawnSync(process.execPath, ['-e', FETCH, JSON.stringify({url, headers})], {encoding: 'utf8'});
  return child.status === 0 ? JSON.parse(child.stdout) : {error: child.stderr};
}

function selector(entities, field) {
  const chosen = [...entities];
  return {
    withCondition(condition) {
      const match = condition.match(/^(\w+)\.status = (\w+)$/);
      if (match === null || match[1] !== field) throw new Error(`unknown condition ${condition}`);
      chosen.splice(0, chosen.length, ...chosen.filter((entity) => entity.status === match[2]));
      return this;
    },
    get() {
      return {hasNext: () => chosen.length > 0, next: () => chosen.shift().face};
    },
  };
}

function adGroupFace(campaign, adGroup) {
  const bidding = {
    getCpc: () => adGroup.cpc,
    getStrategyType: () => adGroup.strategy,
    setCpc(cpc) {
      happened.sets.push({campaign: campaign.name, adGroup: adGroup.name, cpc});
      adGroup.cpc = cpc;
    },
  };
  return {getName: () => adGroup.name, bidding: () => bidding};
}

for (const campaign of scenario.campaigns) {
  for (const adGroup of campaign.adGroups) adGroup.face = adGroupFace(campaign, adGroup);
  campaign.face = {getName: () => campaign.name, adGroups: () => selector(campaign.adGroups, 'ad_group')};
}

const context = vm.createContext({
  Logger: {log: (text) => happened.logs.push(text)},
  PropertiesService: {
    getScriptProperties: () => ({
      getProperty: (key) => happened.properties[key] ?? null,
      setProperty: (key, value) => { happened.properties[key] = String(value); },
      deleteProperty: (key) => { delete happened.properties[key]; },
    }),
  },
  UrlFetchApp: {
    fetch(url, parameters) {
      happened.requests.push({url, headers: parameters.headers});
      const answer = answerTo(url, parameters.headers);
      if (answer.error) throw new Error(answer.error);
      if (answer.status >= 400 && !parameters.muteHttpExceptions) throw new Error(`status ${answer.status}`);
      return {
        getResponseCode: () => answer.status,
        getAllHeaders: () => answer.headers,
        getContentText: () => answer.body,
      };
    },
  },
  AdsApp: {
    campaigns: () => selector(scenario.campaigns, 'campaign'),
    currentAccount: () => ({getCurrencyCode: () => scenario.currency}),
    getExecutionInfo: () => ({isPreview: () => scenario.preview}),
  },
});

vm.runInContext(fs.readFileSync(scenario.script, 'utf8'), context, {filename: scenario.script});
try {
  // A second script of the same context sees the constants of the first, as a second file of the project would.
  vm.runInContext(`Object.assign(CONFIG, ${JSON.stringify(scenario.config)}); main();`, context);
} catch (error) {
  happened.error = error.message;
}
process.stdout.write(JSON.stringify(happened));
