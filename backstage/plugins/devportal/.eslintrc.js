module.exports = require('@backstage/cli/config/eslint-factory')(__dirname, {
  rules: {
    // The portal's client is asked by methods that are named like those of HTTP.
    'new-cap': ['error', { capIsNew: false }],
  },
});
