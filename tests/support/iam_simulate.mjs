// Reads simulations from standard input, and writes what each comes to: `node iam_simulate.mjs <node_modules>`.
import { readFileSync } from 'node:fs'

const { runSimulation } = await import(`${process.argv[2]}/@cloud-copilot/iam-simulate/dist/esm/index.js`)
const results = []
for (const simulation of JSON.parse(readFileSync(0, 'utf8'))) {
  const response = await runSimulation(simulation, {})
  results.push(response.resultType === 'error' ? JSON.stringify(response.errors) : response.overallResult)
}
console.log(JSON.stringify(results))
